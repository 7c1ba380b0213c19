"""Meta-training for a table: other tables' episodes, mixtures, temperature, early stopping on labelled rows."""

import pytest
import torch
from torch import Tensor

from autometa.errors import InputError, OptionError
from autometa.fewshot import (
    BackboneSpec,
    ClassSet,
    Form,
    MixedEpisodes,
    Support,
    TableEpisodes,
    TableTraining,
    UniformEpisodes,
    episodes_at,
    fitting_temperature,
    make_learner,
    meta_train_for_table,
)
from autometa.metatraining import generator_of


def classes(n_classes: int, each: int, n_columns: int, *, first: float = 1.0) -> ClassSet:
    """Class c has rows (first + c, first + c + 100, first + c + 200, ...)."""
    columns = torch.arange(n_columns) * 100.0
    return ClassSet.of([(str(c), "", (first + c + columns).expand(each, -1)) for c in range(n_classes)])


@pytest.mark.parametrize("n_theirs", [2, 4, 7])
def test_columns_of_another_table_are_dealt_whole_and_alike_over_a_batch(n_theirs: int) -> None:
    source = TableEpisodes([classes(3, 4, n_theirs)], n_columns=4, n_way=3, n_shot=1, n_query=2)
    places = set()
    for step in range(6):
        episodes = episodes_at(source, 2, seed=0, step=step)
        rows = torch.cat([episodes.support.x, episodes.x], 1)
        assert rows.shape == (2, 9, 4)
        filled = (rows != 0).any(0).any(0)
        assert int(filled.sum()) == min(n_theirs, 4)
        # What is left of a value without its class is its column: one per place, all different.
        theirs = {float(value) for value in ((rows[0, :, filled] - 1) / 100).round().flatten()}
        assert len(theirs) == min(n_theirs, 4)
        places.add(tuple(filled.tolist()) + tuple(((rows[0, 0] - 1) / 100).round().tolist()))
    assert len(places) > 1


def test_tables_with_too_few_classes_or_rows_are_left_out() -> None:
    small, large = classes(2, 5, 3), classes(4, 5, 3, first=50.0)
    fixed = TableEpisodes([small, large], 3, n_way=4, n_shot=1, n_query=2, same_way=True)
    assert {episodes_at(fixed, 1, seed=0, step=step).n_way for step in range(8)} == {4}
    assert {episodes_at(TableEpisodes([small, large], 3, 4, 1, 2), 1, seed=0, step=s).n_way for s in range(8)} == {2, 4}
    with pytest.raises(InputError, match="No table has 5 classes of 3 rows"):
        TableEpisodes([small, large], 3, n_way=5, n_shot=1, n_query=2, same_way=True)
    with pytest.raises(InputError, match="No table has 2 classes of 9 rows"):
        TableEpisodes([small], 3, n_way=2, n_shot=1, n_query=8)


def test_a_mixture_draws_each_source_as_often_as_its_share_says() -> None:
    sources = [UniformEpisodes(classes(n_way, 4, 2), n_way, 1, 1) for n_way in (2, 3)]
    mixed = MixedEpisodes(sources, [3.0, 1.0])
    ways = [episodes_at(mixed, 1, seed=0, step=step).n_way for step in range(400)]
    assert abs(ways.count(2) / 400 - 0.75) < 0.07
    for shares in ([1.0], [1.0, 0.0], []):
        with pytest.raises(InputError, match="share above 0"):
            MixedEpisodes(sources, shares)


def prototypes(n_columns: int, n_way: int, width: int = 32):  # type: ignore[no-untyped-def]
    form = Form(shape=(n_columns,), n_way=n_way)
    return make_learner("prototypical", form, BackboneSpec(name="mlp", width=width, norm="none"))


def support_of(x: Tensor, y: Tensor, n_way: int) -> Support:
    return Support(x.unsqueeze(0), y.unsqueeze(0), n_way)


def test_the_temperature_is_high_where_labels_are_noise_and_moderate_where_they_are_plain() -> None:
    learner = make_learner("nearest_neighbor", Form(shape=(2,), n_way=2), BackboneSpec(name="pixels", norm="none"))
    generator = generator_of(0)
    x, y = torch.randn(60, 2, generator=generator), torch.arange(60) % 2
    noise, plain = support_of(x, y, 2), support_of(x + 20.0 * y.unsqueeze(1), y, 2)

    def surest(support: Support) -> float:
        found = learner.adapt(support)(support.x + 0.1) / fitting_temperature(learner, support, seed=0)
        return float(found.softmax(2).amax(2).median())

    assert surest(noise) < 0.65
    assert 0.9 < surest(plain) < 0.9999
    single = support_of(torch.eye(2), torch.arange(2), 2)
    assert fitting_temperature(learner, single, seed=0) == 1.0


def test_labelled_rows_that_are_held_out_stop_the_training_where_there_are_eight_of_each() -> None:
    generator = generator_of(1)
    y = torch.arange(64) % 2
    x = torch.cat([torch.rand(64, 7, generator=generator), y.float().unsqueeze(1)], 1)
    options = TableTraining(n_steps=400, own_share=0.5, patience=1, n_way=2)
    done = meta_train_for_table(prototypes(8, 2), support_of(x, y, 2), x[:0], options)
    assert done.sources == ("stunt", "own")
    assert done.training is not None
    assert all(look.validation is not None for look in done.training.looks)
    # With seven of each there are none to spare, and nothing else to look at either.
    few = meta_train_for_table(prototypes(8, 2), support_of(x[:14], y[:14], 2), x[:0], options)
    assert few.training is not None
    assert all(look.validation is None for look in few.training.looks)


def test_a_learner_with_a_fixed_number_of_classes_gets_as_many_clusters() -> None:
    generator = generator_of(2)
    x = torch.rand(90, 6, generator=generator)
    learner = make_learner("maml", Form(shape=(6,), n_way=3), BackboneSpec(name="mlp", width=16, norm="none"))
    options = TableTraining(n_steps=3, n_way=10)
    done = meta_train_for_table(learner, support_of(x[:6], torch.arange(6) % 3, 3), x[6:], options)
    assert done.sources == ("stunt",)
    assert done.training is not None
    assert done.training.looks[-1].step == 3


def test_shares_above_one_are_refused() -> None:
    with pytest.raises(OptionError, match=r"lie in \[0, 1\], but got 0\.7 and 1\.4"):
        TableTraining(own_share=0.7, others_share=1.4)
