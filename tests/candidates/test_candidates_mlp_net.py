import dataclasses
import math

import pytest
import torch

from autometa.candidates._mlp_net import (
    CategoryEmbedding,
    NetSpec,
    PeriodicEmbedding,
    TabularNet,
    dropout,
)

SPEC = NetSpec(
    n_numeric=3,
    n_flags=2,
    cardinalities=(9, 12),
    n_outputs=4,
    n_blocks=2,
    width=16,
    dropout=0.2,
    numeric_embedding="periodic",
    n_frequencies=5,
    embedding_dim=2,
    frequency_scale=0.5,
    ensemble_size=3,
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(spec: NetSpec, n: int, seed: int = 1) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    source = generator(seed)
    columns = [torch.randint(0, c, (n, 1), generator=source) for c in spec.cardinalities]
    codes = torch.cat(columns, dim=1) if columns else torch.zeros(n, 0, dtype=torch.int64)
    numeric = torch.randn(n, spec.n_numeric, generator=source)
    return numeric, torch.randn(n, spec.n_flags, generator=source), codes


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"numeric_embedding": "none"},
        {"n_numeric": 0},
        {"cardinalities": ()},
        {"n_numeric": 0, "cardinalities": ()},
        {"n_numeric": 1, "n_flags": 0, "cardinalities": ()},
        {"n_blocks": 0, "ensemble_size": 1, "n_outputs": 1},
    ],
)
def test_output_has_a_row_per_member_and_input_row(change: dict[str, int]) -> None:
    spec = dataclasses.replace(SPEC, **change)  # type: ignore[arg-type]
    out = TabularNet(spec, generator())(*batch(spec, 7))
    assert out.shape == (spec.ensemble_size, 7, spec.n_outputs)
    assert torch.isfinite(out).all()


def test_gradient_reaches_every_parameter() -> None:
    net = TabularNet(SPEC, generator())
    net(*batch(SPEC, 64), generator=generator(2)).square().mean().backward()
    silent = [name for name, p in net.named_parameters() if p.grad is None or not bool(p.grad.any())]
    assert silent == []


def test_periodic_embedding_is_the_published_formula() -> None:
    embedding = PeriodicEmbedding(2, 2, 1, 1.0, generator())
    with torch.no_grad():
        embedding.frequency.copy_(torch.tensor([[1.0, 0.5], [0.25, 2.0]]))
        embedding.phase.copy_(torch.tensor([[0.0, math.pi / 2], [0.0, math.pi]]))
        embedding.weight.copy_(torch.tensor([[[1.0], [2.0]], [[3.0], [-1.0]]]))
        embedding.bias.copy_(torch.tensor([[0.5], [-0.5]]))
        out = embedding(torch.tensor([[0.5, 1.0]]))
    # Column 0 at x = 0.5: cos(pi) + 2 cos(pi/2 + pi/2) + 0.5 = -1 - 2 + 0.5
    # Column 1 at x = 1.0: 3 cos(pi/2) - cos(4 pi + pi) - 0.5 = 0 + 1 - 0.5
    torch.testing.assert_close(out, torch.tensor([[0.5, 1.0, -2.5, 0.5]]), atol=1e-5, rtol=0)


def test_frequencies_have_the_scale_that_was_asked_for() -> None:
    frequencies = PeriodicEmbedding(50, 100, 1, 0.3, generator()).frequency.detach()
    assert float(frequencies.std()) == pytest.approx(0.3, rel=0.05)


def test_an_unknown_category_is_embedded_as_zeros() -> None:
    embedding = CategoryEmbedding((3, 2), 4, generator())
    out = embedding(torch.tensor([[3, 1]]))
    assert not bool(out[0, :4].any())
    torch.testing.assert_close(out[0, 4:], embedding.tables[1][1])


def test_members_differ_but_share_their_layers() -> None:
    net = TabularNet(SPEC, generator())
    out = net(*batch(SPEC, 5))
    assert not torch.allclose(out[0], out[1])
    larger = TabularNet(dataclasses.replace(SPEC, ensemble_size=6), generator())
    grown = {name for name, value in larger.state_dict().items() if value.shape != net.state_dict()[name].shape}
    assert grown == {"scale", "head", "head_bias"}


def test_a_member_of_one_starts_without_scaling() -> None:
    net = TabularNet(dataclasses.replace(SPEC, ensemble_size=1), generator())
    assert bool((net.scale == 1).all())


def test_a_rows_output_does_not_depend_on_its_batch() -> None:
    net = TabularNet(SPEC, generator())
    rows = batch(SPEC, 32)
    whole = net(*rows)
    torch.testing.assert_close(net(*(part[3:7] for part in rows)), whole[:, 3:7])


def test_dropout_drops_its_share_and_keeps_the_mean() -> None:
    out = dropout(torch.ones(3, 1000, 101), 0.25, generator())
    assert float((out == 0).float().mean()) == pytest.approx(0.25, abs=0.005)
    assert float(out.mean()) == pytest.approx(1.0, abs=0.01)
    assert torch.unique(out).tolist() == pytest.approx([0.0, 4 / 3])


def test_dropout_without_generator_or_rate_is_the_identity() -> None:
    x = torch.ones(4)
    assert dropout(x, 0.5, None) is x
    assert dropout(x, 0.0, generator()) is x


def test_dropout_masks_follow_the_generator() -> None:
    x = torch.ones(5, 33)
    first, again, other = (dropout(x, 0.5, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_weight_decay_spares_biases_norms_scalings_and_embeddings() -> None:
    net = TabularNet(SPEC, generator())
    decayed = {id(p) for p in net.decayed_parameters()}
    names = {name for name, p in net.named_parameters() if id(p) in decayed}
    assert names == {"stem.weight", "head"} | {f"blocks.{i}.{w}.weight" for i in (0, 1) for w in ("inner", "outer")}
    groups = [*net.decayed_parameters(), *net.embedding_parameters(), *net.free_parameters()]
    assert {id(p) for p in groups} == {id(p) for p in net.parameters()}
    assert len(groups) == len(list(net.parameters()))


def test_building_leaves_torchs_global_generator_alone() -> None:
    before = torch.random.get_rng_state()
    TabularNet(SPEC, generator())(*batch(SPEC, 4), generator=generator())
    assert torch.equal(torch.random.get_rng_state(), before)
