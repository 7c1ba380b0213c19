"""What the base says: forests, the pool, and the cache."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import ExtraTreesRegressor

from autometa.evidence import Evidence
from autometa.knowledge import KnowledgeBase
from autometa.metrics import Metric, own
from autometa.records import Config
from autometa.samplers import _sources
from autometa.samplers._coding import Coding
from autometa.samplers._forests import Forests
from autometa.samplers._sources import Sources, read_sources
from autometa.testing.samplers import CONDITIONAL, ERROR, loss


def fill(kb: KnowledgeBase, *, n_datasets: int = 3, n_runs: int = 40, seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    for number in range(n_datasets):
        configs = [CONDITIONAL.sample(rng) for _ in range(n_runs)]
        values = [(1 + number) * loss(config) for config in configs]
        frame = pd.DataFrame(configs).assign(value=values)
        kb.add_runs(f"d{number}", CONDITIONAL.name, frame, metric="error", direction="minimize")


def read(kb: KnowledgeBase, cache: Path | None = None, metric: Metric = ERROR) -> Sources:
    return read_sources(kb, CONDITIONAL, metric=metric, task=None, cache=cache)


@pytest.fixture
def kb(tmp_path: Path) -> KnowledgeBase:
    base = KnowledgeBase(tmp_path / "kb")
    fill(base)
    return base


def test_a_forest_says_what_scikit_learns_does_also_after_it_was_stored(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    tables = [(rng.uniform(size=(n, 3)), rng.normal(size=n)) for n in (30, 50)]
    forests = Forests.fit(tables, seed=5)
    asked = rng.uniform(size=(20, 3))
    for column, (features, values) in enumerate(tables):
        alone = ExtraTreesRegressor(50, random_state=5 + column).fit(features, values)
        np.testing.assert_allclose(forests.predict(asked)[:, column], alone.predict(asked.astype(np.float32)))
    np.savez(tmp_path / "forests.npz", **forests.to_arrays())  # type: ignore[arg-type]
    with np.load(tmp_path / "forests.npz", allow_pickle=False) as stored:
        np.testing.assert_array_equal(Forests.from_arrays(stored).predict(asked), forests.predict(asked))


def test_sources_know_what_was_measured_and_its_unit(kb: KnowledgeBase) -> None:
    sources = read(kb)
    assert sources.ids == ("d0", "d1", "d2")
    runs = kb.runs(CONDITIONAL.name)
    for number in range(3):
        rows = runs[runs["dataset_id"] == f"d{number}"].drop_duplicates(list(CONDITIONAL.names))
        values = np.sort(rows["value"])
        expected = values[int(0.75 * (len(values) - 1))] - values[0]
        assert sources.units[number] == pytest.approx(expected)
    best = sources.coding.keys(sources.pool[(sources.pool_says == 0).any(axis=1)])
    for _, rows in runs.groupby("dataset_id"):
        row = rows.sort_values("value").to_dict("records")[0]
        config = CONDITIONAL.from_row({str(name): value for name, value in row.items()})
        assert sources.coding.keys(sources.coding.encode([config]))[0] in best


def test_what_they_say_of_good_and_bad_configurations_differs(kb: KnowledgeBase) -> None:
    sources = read(kb)
    good: Config = {"model": "lines", "penalty": 0.1, "batch": 64, "share": 0.5}
    bad: Config = {"model": "none", "share": 1.0}
    says = sources.says(sources.coding.encode([good, bad]))
    assert (says[0] > says[1] + 0.3).all()
    assert (says >= -1).all()
    assert (says <= 0).all()


def test_scale_prior_covers_the_units(kb: KnowledgeBase) -> None:
    sources = read(kb)
    centre, width = sources.scale_prior()
    assert centre == pytest.approx(np.log(sources.units).mean())
    assert abs(np.log(sources.units) - centre).max() < 2 * width


def test_too_few_runs_are_no_source(tmp_path: Path) -> None:
    base = KnowledgeBase(tmp_path)
    fill(base, n_runs=_sources.LEAST_CONFIGS - 1)
    assert len(read(base)) == 0
    assert len(read(base).pool) > 100


def test_a_cache_is_used_until_the_base_the_metric_or_the_view_changes(
    kb: KnowledgeBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = read(kb, tmp_path / "cache")
    learned = []
    original = _sources.learn

    def learn(evidence: Evidence, coding: Coding) -> Sources:
        learned.append(evidence)
        return original(evidence, coding)

    monkeypatch.setattr(_sources, "learn", learn)
    again = read(kb, tmp_path / "cache")
    assert not learned
    codes = Coding(CONDITIONAL).random(20, np.random.default_rng(0))
    np.testing.assert_array_equal(again.says(codes), first.says(codes))
    np.testing.assert_array_equal(again.pool_says, first.pool_says)
    assert again.settings == first.settings
    for other, metric in ((kb.without("d1"), ERROR), (kb, own("other", "minimize"))):
        read(other, tmp_path / "cache", metric)
    assert len(learned) == 2
    fill(kb, n_datasets=1, seed=1)
    read(kb, tmp_path / "cache")
    assert len(learned) == 3


def test_a_damaged_cache_is_made_anew(kb: KnowledgeBase, tmp_path: Path) -> None:
    first = read(kb, tmp_path / "cache")
    (file,) = (tmp_path / "cache").iterdir()
    for damage in (b"", b"no archive", file.read_bytes()[: file.stat().st_size // 2]):
        file.write_bytes(damage)
        np.testing.assert_array_equal(read(kb, tmp_path / "cache").pool_says, first.pool_says)


def test_a_cache_that_cannot_be_written_is_no_loss(kb: KnowledgeBase, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert len(read(kb, tmp_path / "file" / "cache")) == 3


def test_runs_of_a_space_with_other_ranges_are_brought_into_this_one(kb: KnowledgeBase) -> None:
    narrow = CONDITIONAL.restrict({"depth": (3, 6), "model": ["trees", "lines"]})
    sources = read_sources(kb, narrow, metric=ERROR, task=None, cache=None)
    assert len(sources) == 3
    for code in sources.pool[:200]:
        narrow.validate(sources.coding.decode(code))
