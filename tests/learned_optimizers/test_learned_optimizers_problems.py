"""Optimizees: parameters as one vector, problems in other units, rows and their splits, files."""

import gzip
import math
import os
import struct
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import autometa.learned_optimizers
from autometa.errors import InputError, OptionError
from autometa.learned_optimizers import (
    OPTIMIZEES,
    DigitsConvNet,
    DigitsPerceptron,
    Layout,
    MNISTPerceptron,
    Optimizees,
    Params,
    Problems,
    Quadratic,
    Rows,
    Split,
    TablePerceptron,
    problems_of,
    read_mnist,
    table_rows,
)
from autometa.metatraining import generator_of

TEST_DATA = Path(os.environ.get("AUTOMETA_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

shapes = st.dictionaries(
    st.text("abc", min_size=1, max_size=3), st.lists(st.integers(0, 3), max_size=3).map(tuple), min_size=1, max_size=4
)


@given(shapes, st.lists(st.integers(1, 3), max_size=2).map(tuple), st.integers(0, 100))
def test_parameters_survive_being_one_vector(
    shapes: dict[str, tuple[int, ...]], leading: tuple[int, ...], seed: int
) -> None:
    generator = generator_of(seed)
    params = {name: torch.randn((*leading, *shape), generator=generator) for name, shape in shapes.items()}
    layout = Layout.of(params, len(leading))
    flat = layout.flat(params)
    assert flat.shape == (*leading, layout.n_coordinates)
    back = layout.named(flat)
    assert list(back) == list(params)
    assert all(torch.equal(value, params[name]) for name, value in back.items())
    means = layout.named(layout.mean_of_each(flat))
    for name, value in params.items():
        own = tuple(range(len(leading), value.ndim))
        mean = value.mean(own, keepdim=True) if own else value
        assert torch.allclose(means[name], mean.expand_as(value), atol=1e-6)


def test_the_order_of_the_gradients_does_not_matter() -> None:
    layout = Layout({"a": (2,), "b": ()})
    assert layout.flat({"b": torch.tensor(3.0), "a": torch.tensor([1.0, 2.0])}).tolist() == [1.0, 2.0, 3.0]


def test_quadratics_are_those_of_the_paper() -> None:
    problems = Quadratic(n_dimensions=3).sample(200, seed=0)
    data = problems.batch(0)
    theta = torch.randn(200, 3, generator=generator_of(1))
    gradients, losses = problems.gradients(theta, 5)
    rest = torch.einsum("nij,nj->ni", data["W"], theta) - data["y"]
    assert torch.allclose(losses, rest.square().sum(1), atol=1e-4)
    assert torch.allclose(gradients, 2 * torch.einsum("nij,ni->nj", data["W"], rest), atol=1e-4)
    assert torch.equal(problems.losses(theta, 0), losses)
    for value, spread in ((data["W"], 1.0), (data["y"], 1.0), (problems.params["theta"], 0.01)):
        assert float(value.mean()) == pytest.approx(0.0, abs=0.15 * spread)
        assert float(value.std()) == pytest.approx(spread, rel=0.1)


@pytest.mark.parametrize("times", [1, 2])
def test_scaling_changes_units_and_nothing_else(times: int) -> None:
    plain = Quadratic(n_dimensions=4).sample(3, seed=0)
    scaled = plain
    for i in range(times):
        scaled = scaled.scaled(1.5, generator_of(7, i))
    start, moved = plain.layout.flat(plain.params), scaled.layout.flat(scaled.params)
    scales = start / moved
    assert torch.allclose(plain.losses(start, 0), scaled.losses(moved, 0))
    assert float(scales.min()) >= math.exp(-1.5 * times) * 0.999
    assert float(scales.max()) <= math.exp(1.5 * times) * 1.001
    assert float(scales.log().std()) > 0.5
    there = torch.randn(3, 4, generator=generator_of(2))
    gradients, losses = scaled.gradients(there, 0)
    expected, same = plain.gradients(there * scales, 0)
    assert torch.allclose(losses, same, rtol=1e-4)
    assert torch.allclose(gradients, expected * scales, rtol=1e-3)


def test_a_part_of_the_problems_is_those_problems() -> None:
    problems = DigitsPerceptron(width=3, batch_size=5).sample(4, seed=0).scaled(1.0, generator_of(1))
    part = problems.part(range(1, 3))
    weights = problems.layout.flat(problems.params)
    gradients, losses = problems.gradients(weights, 3)
    found, same = part.gradients(part.layout.flat(part.params), 3)
    assert len(part) == 2
    assert torch.allclose(found, gradients[1:3], atol=1e-6)
    assert torch.allclose(same, losses[1:3], atol=1e-6)
    assert problems.part(range(4)) is problems


@pytest.mark.parametrize("kind", [Quadratic(), DigitsPerceptron(), DigitsConvNet(), TablePerceptron()], ids=type)
def test_kinds_give_the_same_problems_for_a_seed_and_others_for_another(kind: Optimizees) -> None:
    def losses(seed: int, split: Split) -> Tensor:
        problems = kind.sample(2, seed=seed, split=split)
        gradients, found = problems.gradients(problems.layout.flat(problems.params), 1)
        assert bool(gradients.isfinite().all())
        assert float(gradients.abs().sum()) > 0.0
        return found

    first = losses(0, "train")
    assert torch.equal(first, losses(0, "train"))
    assert not torch.equal(first, losses(1, "train"))
    assert not torch.equal(first, losses(0, "test"))
    assert len(set(first.tolist())) == 2
    assert kind.description["name"] == kind.name
    assert kind.to("cpu") is kind


def test_every_kind_is_registered() -> None:
    members = {
        one
        for one in vars(autometa.learned_optimizers).values()
        if isinstance(one, type) and issubclass(one, Optimizees) and one is not Optimizees
    }
    known = {entry.factory() for entry in OPTIMIZEES}  # perhaps with those of other layers
    assert {one for one in known if one.__module__.startswith("autometa.learned_optimizers")} == members
    assert all(OPTIMIZEES.create(name).name == name for name in OPTIMIZEES.names())


def test_splits_of_rows_are_disjoint_and_complete_and_always_the_same() -> None:
    rows = Rows(torch.arange(50.0).unsqueeze(1), torch.arange(50))
    parts = rows.split()
    numbers = [set(parts[name].y.tolist()) for name in SPLITS]
    assert [len(one) for one in numbers] == [30, 10, 10]
    assert set.union(*numbers) == set(range(50))
    assert all(torch.equal(part.x[:, 0].long(), part.y) for part in parts.values())
    assert torch.equal(rows.split()["test"].y, parts["test"].y)


def made_tables(n: int) -> dict[str, Rows]:
    """The rows of table i are between 100 i and 100 i + 30."""
    return {f"t{i}": Rows(100.0 * i + torch.arange(30.0).unsqueeze(1), torch.arange(30) % 2) for i in range(n)}


@pytest.mark.parametrize("n", [5, 7, 12])
def test_from_five_tables_on_no_table_is_in_two_splits(n: int) -> None:
    kind = TablePerceptron(tables=made_tables(n))
    names = [kind.names(split) for split in SPLITS]
    assert all(names)
    assert sorted(chain(*names)) == sorted(made_tables(n))
    for split, known in zip(SPLITS, names, strict=True):
        seen = {int(x) for seed in range(20) for x in kind.sample(1, seed=seed, split=split).batch(0)["x"].flatten()}
        assert {f"t{x // 100}" for x in seen} <= set(known)


def test_of_fewer_tables_no_row_is_in_two_splits() -> None:
    kind = TablePerceptron(tables=made_tables(2))
    seen = [
        {
            int(x)
            for seed in range(10)
            for step in range(5)
            for x in kind.sample(2, seed=seed, split=split).batch(step)["x"].flatten()
        }
        for split in SPLITS
    ]
    assert [len(one) for one in seen] == [36, 12, 12]  # all of both tables
    assert len(set.union(*seen)) == 60
    with pytest.raises(InputError, match="at least one table"):
        TablePerceptron(tables={})


class _Linear:
    """A network that is a number."""

    def start(self, n_problems: int, generator: torch.Generator) -> Params:
        return {"slope": torch.full((n_problems, 1), 2.0)}

    def outputs(self, params: Params, x: Tensor) -> Tensor:
        return x * params["slope"]


def test_problems_have_batches_of_their_own_that_change_with_the_step() -> None:
    rows = Rows(torch.arange(100.0).unsqueeze(1), torch.arange(100.0) * 3.0)
    problems = problems_of(rows, _Linear(), 2, 8, generator_of(0), "cpu")
    first, again, later = (problems.batch(step) for step in (0, 0, 1))
    assert first["x"].shape == (2, 8, 1)
    assert torch.equal(first["x"], again["x"])
    assert not torch.equal(first["x"], later["x"])
    assert not torch.equal(first["x"][0], first["x"][1])
    assert torch.equal(first["y"], 3.0 * first["x"].squeeze(2))
    losses = problems.losses(problems.layout.flat(problems.params), 0)
    assert torch.allclose(losses, first["x"].squeeze(2).square().mean(1))  # (2 x - 3 x)^2
    small = problems_of(Rows(rows.x[:5], rows.y[:5]), _Linear(), 2, 8, generator_of(0), "cpu")
    assert small.batch(0)["x"].shape == (2, 5, 1)


@pytest.mark.parametrize("activation", ["sigmoid", "relu", "tanh"])
def test_perceptrons_compute_what_their_layers_say(activation: str) -> None:
    kind = DigitsPerceptron(width=7, depth=2, activation=activation, batch_size=6)  # type: ignore[arg-type]
    problems = kind.sample(2, seed=0)
    data, params = problems.batch(0), problems.params
    function = {"sigmoid": torch.sigmoid, "relu": torch.relu, "tanh": torch.tanh}[activation]
    for i, found in enumerate(problems.losses(problems.layout.flat(params), 0)):
        x = data["x"][i]
        for layer in range(3):
            x = x @ params[f"weight{layer}"][i].T + params[f"bias{layer}"][i]
            x = function(x) if layer < 2 else x
        assert float(found) == pytest.approx(float(F.cross_entropy(x, data["y"][i])), rel=1e-4)
    assert problems.layout.shapes["weight0"] == (7, 64)
    assert float(found) == pytest.approx(math.log(10), abs=0.1)  # weights begin near zero


def test_the_convolutional_network_is_convolutions_pools_and_a_layer() -> None:
    problems = DigitsConvNet(width=3, batch_size=4).sample(1, seed=0)
    data, params = problems.batch(0), {name: value[0] for name, value in problems.params.items()}
    x = data["x"][0]
    assert x.shape == (4, 1, 8, 8)
    for i in range(2):
        x = F.relu(F.max_pool2d(F.conv2d(x, params[f"conv{i}"], params[f"conv_bias{i}"], padding=1), 2))
    expected = F.cross_entropy(x.flatten(1) @ params["weight"].T + params["bias"], data["y"][0])
    found = problems.losses(problems.layout.flat(problems.params), 0)
    assert float(found) == pytest.approx(float(expected), rel=1e-4)
    assert float(problems.params["conv1"].square().mean()) == pytest.approx(2 / (9 * 3), rel=0.4)


def test_impossible_networks_raise() -> None:
    with pytest.raises(OptionError, match="activation is one of sigmoid, relu, tanh, but got 'swish'"):
        DigitsPerceptron(activation="swish").sample(1, seed=0)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="got 0 and 1"):
        DigitsPerceptron(width=0).sample(1, seed=0)
    with pytest.raises(OptionError, match="needs MNIST's files"):
        MNISTPerceptron()


def test_columns_of_tables_are_standardized_and_classes_numbered() -> None:
    rows = table_rows([[1.0, 5.0, 2.0], [3.0, 5.0, math.nan], [5.0, 5.0, 4.0]], ["pear", "apple", "pear"])
    spread = math.sqrt(8 / 3)
    assert rows.x[:, 0].tolist() == pytest.approx([-2 / spread, 0.0, 2 / spread])
    assert rows.x[:, 1].tolist() == [0.0, 0.0, 0.0]  # constant
    assert rows.x[:, 2].tolist() == pytest.approx([-1.0, 0.0, 1.0])  # the missing one counts as the mean
    assert rows.y.tolist() == [1, 0, 1]
    assert rows.n_out == 2
    numbers = table_rows([[0.0], [1.0]], [10.0, 30.0])
    assert numbers.y.tolist() == [-1.0, 1.0]
    assert numbers.n_out == 1


def idx(values: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    return bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def mnist_files(folder: Path, prefix: str, n: int, *, suffix: str = "") -> None:
    images = (np.arange(n * 6) % 256).astype(np.uint8).reshape(n, 2, 3)
    pack = gzip.compress if suffix else bytes
    (folder / f"{prefix}-images-idx3-ubyte{suffix}").write_bytes(pack(idx(images)))
    (folder / f"{prefix}-labels-idx1-ubyte{suffix}").write_bytes(pack(idx((np.arange(n) % 10).astype(np.uint8))))


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_the_official_files_of_mnist_are_the_splits(suffix: str, tmp_path: Path) -> None:
    mnist_files(tmp_path, "t10k", 10, suffix=suffix)
    mnist_files(tmp_path, "train", 12, suffix=suffix)
    parts = read_mnist(tmp_path)
    assert [len(parts[name]) for name in SPLITS] == [10, 2, 10]
    assert parts["train"].x[1].tolist() == pytest.approx([value / 255 for value in range(6, 12)])
    assert parts["validation"].y.tolist() == [0, 1]
    assert parts["test"].y.tolist() == list(range(10))


def test_test_files_alone_are_split(tmp_path: Path) -> None:
    mnist_files(tmp_path, "t10k", 10)
    parts = read_mnist(tmp_path)
    assert [len(parts[name]) for name in SPLITS] == [6, 2, 2]
    assert sorted(chain(*(parts[name].y.tolist() for name in SPLITS))) == list(range(10))
    kind = MNISTPerceptron(data=tmp_path, width=4, batch_size=3)
    problems = kind.sample(2, seed=0)
    assert problems.layout.shapes == {"weight0": (4, 6), "bias0": (4,), "weight1": (10, 4), "bias1": (10,)}


def test_images_are_shrunk_by_averages(tmp_path: Path) -> None:
    mnist_files(tmp_path, "t10k", 10)
    whole, halved = (MNISTPerceptron(data=tmp_path, shrink=shrink).rows()["train"] for shrink in (1, 2))
    assert halved.x.shape == (6, 1)  # the third column is cut off
    assert torch.allclose(halved.x[:, 0], whole.x[:, [0, 1, 3, 4]].mean(1))
    assert torch.equal(halved.y, whole.y)
    assert MNISTPerceptron(data=tmp_path, shrink=2).description["shrink"] == 2
    for shrink in (0, 3):
        with pytest.raises(OptionError, match=rf"images of 2 x 3, but got {shrink}\."):
            read_mnist(tmp_path, shrink=shrink)


IMAGES, LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
WHOLE = idx(np.zeros((10, 2, 3), np.uint8))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (IMAGES, WHOLE[:-1], "cut off or has something behind its end: 59 values for an array of 10 x 2 x 3"),
        (IMAGES, WHOLE + b"\0", "61 values for an array of 10 x 2 x 3"),
        (IMAGES, WHOLE[:9], "ends before the sizes"),
        (IMAGES, b"", "no IDX file of bytes in 3 dimensions"),
        (IMAGES, b"\x89PNG" + WHOLE, "no IDX file of bytes in 3 dimensions: it begins with '89504e47'"),
        (IMAGES, b"\0\0\x0d\x03" + WHOLE[4:], "no IDX file"),
        (IMAGES, idx(np.zeros(10, np.uint8)), "no IDX file of bytes in 3 dimensions: it begins with '00000801'"),
        (LABELS, WHOLE, "no IDX file of bytes in 1 dimensions"),
        (LABELS, idx(np.zeros(9, np.uint8)), "has 10 t10k images, but 9 labels"),
        (IMAGES, b"\0\0\x08\x03" + b"\xff" * 12, "0 values for an array of 4294967295 x"),
    ],
)
def test_damaged_files_are_told(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    mnist_files(tmp_path, "t10k", 10)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_mnist(tmp_path)


@pytest.mark.parametrize("damage", [lambda raw: raw[:-30], lambda raw: b"no gzip", lambda raw: raw[:15] + raw[20:]])
def test_damaged_archives_are_told(damage: object, tmp_path: Path) -> None:
    mnist_files(tmp_path, "t10k", 10, suffix=".gz")
    file = tmp_path / f"{IMAGES}.gz"
    file.write_bytes(damage(file.read_bytes()))  # type: ignore[operator]
    with pytest.raises(InputError, match=r"idx3-ubyte.gz cannot be read: .* Fetch it again"):
        read_mnist(tmp_path)


def test_a_folder_without_the_files_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no t10k-images-idx3-ubyte"):
        read_mnist(tmp_path)
    mnist_files(tmp_path, "t10k", 10)
    (tmp_path / LABELS).unlink()
    with pytest.raises(InputError, match="has no t10k-images-idx3-ubyte and t10k-labels"):
        read_mnist(tmp_path)


@pytest.mark.skipif(not (TEST_DATA / "mnist").is_dir(), reason="MNIST's files are not on this machine")
def test_the_real_mnist() -> None:
    parts = read_mnist(TEST_DATA / "mnist")
    assert [len(parts[name]) for name in SPLITS] == [6000, 2000, 2000]
    counts = torch.stack([part.y.bincount(minlength=10) for part in parts.values()]).sum(0)
    assert counts.tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    everything = torch.cat([part.x for part in parts.values()])
    assert everything.shape == (10_000, 784)
    assert float(everything.max()) == 1.0
    assert float(everything.mean()) == pytest.approx(0.1325, abs=1e-4)
    problems = MNISTPerceptron(data=TEST_DATA / "mnist").sample(2, seed=0)
    weights = problems.layout.flat(problems.params)
    assert weights.shape == (2, 784 * 20 + 20 + 20 * 10 + 10)
    assert problems.losses(weights, 0).tolist() == pytest.approx([math.log(10)] * 2, abs=0.05)


def test_problems_know_how_many_they_are() -> None:
    params = {"x": torch.zeros(3, 2)}
    problems = Problems(params, lambda params, data: params["x"].sum(), lambda step: {"t": torch.zeros(3)})
    assert len(problems) == 3
    assert problems.layout.shapes == {"x": (2,)}
