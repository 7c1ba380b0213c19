"""Optimizees that learn from rows: images, digits, tables."""

import gzip
import hashlib
import math
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from autometa.errors import InputError, OptionError
from autometa.learned_optimizers._layout import Params
from autometa.learned_optimizers._networks import Activation, Perceptron, SmallConvNet
from autometa.learned_optimizers._problems import Batch, Optimizees, Problems, Split
from autometa.metatraining import generator_of

_SHARES = (0.6, 0.8)
"""Where the rows to train optimizers on end, and where those to choose among optimizers do; the rest tests."""
_SPLIT_SEED = 20161127
_ENOUGH_TABLES = 5


class Network(Protocol):
    """What is trained on rows."""

    def start(self, n_problems: int, generator: torch.Generator) -> Params:
        """Starting points."""
        ...

    def outputs(self, params: Params, x: Tensor) -> Tensor:
        """Of one problem: (n_rows, ...) to (n_rows, n_out)."""
        ...


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows to learn from.

    Attributes:
        x: Shape (n_rows, ...), float.
        y: Shape (n_rows,): classes as integers, or numbers.
    """

    x: Tensor
    y: Tensor

    def __len__(self) -> int:
        return len(self.y)

    @property
    def n_out(self) -> int:
        """Outputs that a network needs: classes, or one."""
        return 1 if self.y.is_floating_point() else int(self.y.max()) + 1

    def split(self) -> dict[Split, "Rows"]:
        """Rows of the three splits, always the same ones."""
        order = torch.randperm(len(self), generator=generator_of(_SPLIT_SEED, len(self)))
        first, second = (int(share * len(self)) for share in _SHARES)
        parts: dict[Split, Tensor] = {
            "train": order[:first],
            "validation": order[first:second],
            "test": order[second:],
        }
        return {name: Rows(self.x[index], self.y[index]) for name, index in parts.items()}

    def to(self, device: str) -> "Rows":
        """The same rows on a device."""
        return Rows(self.x.to(device), self.y.to(device))


def problems_of(
    rows: Rows, network: Network, n_problems: int, batch_size: int, generator: torch.Generator, device: str
) -> Problems:
    """Networks with starting points of their own, each trained on batches of its own from the same rows."""
    rows = rows.to(device)
    params = {name: value.to(device) for name, value in network.start(n_problems, generator).items()}
    key = int(torch.randint(1 << 31, (), generator=generator))
    size = (n_problems, min(batch_size, len(rows)))

    def batch(step: int) -> Batch:
        chosen = torch.randint(len(rows), size, generator=generator_of(key, step)).to(device)
        return {"x": rows.x[chosen], "y": rows.y[chosen]}

    def loss(params: Params, data: Batch) -> Tensor:
        outputs = network.outputs(params, data["x"])
        if data["y"].is_floating_point():
            return F.mse_loss(outputs.squeeze(-1), data["y"])
        return F.cross_entropy(outputs, data["y"])

    return Problems(params, loss, batch)


class _Perceptrons(Optimizees):
    """Multi-layer perceptrons on rows that stay the same.

    Args:
        width: Units of a hidden layer.
        depth: Hidden layers.
        activation: sigmoid, relu or tanh.
        batch_size: Rows of a step.
    """

    def __init__(
        self, *, width: int = 20, depth: int = 1, activation: Activation = "sigmoid", batch_size: int = 128
    ) -> None:
        self.width, self.depth, self.activation, self.batch_size = width, depth, activation, batch_size

    def rows(self) -> dict[Split, Rows]:
        """Of each split."""
        raise NotImplementedError

    @property
    def description(self) -> dict[str, int | float | str]:
        """Name and network."""
        network = {"width": self.width, "depth": self.depth, "activation": self.activation}
        return {"name": self.name, **network, "batch_size": self.batch_size}

    def draw(self, n_problems: int, generator: torch.Generator, split: Split) -> Problems:
        """Networks whose weights begin at N(0, 0.01^2), as in Andrychowicz et al. (2016), sec. 3.2."""
        rows = self.rows()[split]
        network = Perceptron(
            n_in=rows.x[0].numel(), n_out=rows.n_out, width=self.width, depth=self.depth, activation=self.activation
        )
        return problems_of(rows, network, n_problems, self.batch_size, generator, self.device)


class MNISTPerceptron(_Perceptrons):
    """Perceptrons on MNIST's digits, 784-20-10 with sigmoids by default.

    Andrychowicz et al. (2016), sec. 3.2. The splits are of rows: where there are the official 60,000 to train on, the
    10,000 others test; else the 10,000 are split.

    Args:
        data: Folder with MNIST's files (``t10k-images-idx3-ubyte`` and so on), gzipped or not.
        shrink: Pixels each way that are averaged to one: 2 makes networks of a quarter of the weights, on which a rule
            learns most of what it needs in a quarter of the time.
        network: See `_Perceptrons`.
    """

    name: ClassVar = "mnist_mlp"

    def __init__(
        self,
        *,
        data: Path | None = None,
        shrink: int = 1,
        width: int = 20,
        depth: int = 1,
        activation: Activation = "sigmoid",
        batch_size: int = 128,
    ) -> None:
        super().__init__(width=width, depth=depth, activation=activation, batch_size=batch_size)
        if data is None:
            raise OptionError("mnist_mlp needs MNIST's files. Name their folder with --data, or take digits_mlp.")
        self.shrink, self._rows = shrink, read_mnist(data, shrink=shrink)

    @property
    def description(self) -> dict[str, int | float | str]:
        """As of other perceptrons, with the size of the images."""
        return {**super().description, "shrink": self.shrink}

    def rows(self) -> dict[Split, Rows]:
        """Of the files."""
        return self._rows


class DigitsPerceptron(_Perceptrons):
    """Perceptrons on the 1,797 digits of 8 x 8 pixels that come with scikit-learn; needs no files."""

    name: ClassVar = "digits_mlp"

    def rows(self) -> dict[Split, Rows]:
        """Of scikit-learn."""
        return read_digits().split()


class DigitsConvNet(Optimizees):
    """Small convolutional networks on scikit-learn's digits.

    Args:
        width: Channels of a layer.
        batch_size: Rows of a step.
    """

    name: ClassVar = "digits_conv"

    def __init__(self, *, width: int = 8, batch_size: int = 128) -> None:
        self.width, self.batch_size = width, batch_size

    @property
    def description(self) -> dict[str, int | float | str]:
        """Name and network."""
        return {"name": self.name, "width": self.width, "batch_size": self.batch_size}

    def draw(self, n_problems: int, generator: torch.Generator, split: Split) -> Problems:
        """Networks with He et al.'s starting points."""
        rows = read_digits().split()[split]
        images = Rows(rows.x.view(-1, 1, 8, 8), rows.y)
        network = SmallConvNet(channels=1, size=8, n_out=rows.n_out, width=self.width)
        return problems_of(images, network, n_problems, self.batch_size, generator, self.device)


class TablePerceptron(Optimizees):
    """Perceptrons on tables, classification or regression; each draw takes one of the tables.

    Columns are standardized, and numbers to predict too. From five tables on, those of one split are not those of
    another; fewer are split by rows.

    Args:
        tables: Rows by name; None takes five tables that come with scikit-learn.
        width: Units of a hidden layer.
        depth: Hidden layers.
        activation: sigmoid, relu or tanh.
        batch_size: Rows of a step.
    """

    name: ClassVar = "table_mlp"

    def __init__(
        self,
        *,
        tables: Mapping[str, Rows] | None = None,
        width: int = 32,
        depth: int = 2,
        activation: Activation = "relu",
        batch_size: int = 128,
    ) -> None:
        self._tables = builtin_tables() if tables is None else dict(tables)
        if not self._tables:
            raise InputError("table_mlp needs at least one table.")
        self.width, self.depth, self.activation, self.batch_size = width, depth, activation, batch_size

    @property
    def description(self) -> dict[str, int | float | str]:
        """Name, network and tables."""
        network = {"width": self.width, "depth": self.depth, "activation": self.activation}
        return {"name": self.name, **network, "batch_size": self.batch_size, **self._which_tables}

    @property
    def _which_tables(self) -> dict[str, int | float | str]:
        """How many, and a fingerprint of their names and sizes."""
        told = "\n".join(f"{name} {tuple(rows.x.shape)}" for name, rows in sorted(self._tables.items()))
        return {"n_tables": len(self._tables), "fingerprint": hashlib.sha256(told.encode()).hexdigest()[:12]}

    def names(self, split: Split) -> list[str]:
        """Tables of a split."""
        names = sorted(self._tables)
        if len(names) < _ENOUGH_TABLES:
            return names
        order = torch.randperm(len(names), generator=generator_of(_SPLIT_SEED)).tolist()
        first, second = round(_SHARES[0] * len(names)), round(_SHARES[1] * len(names))
        which = {"train": order[:first], "validation": order[first:second], "test": order[second:]}[split]
        return sorted(names[i] for i in which)

    def draw(self, n_problems: int, generator: torch.Generator, split: Split) -> Problems:
        """Networks on one table."""
        names = self.names(split)
        chosen = names[int(torch.randint(len(names), (), generator=generator))]
        return self._on(chosen, n_problems, generator, split)

    def sets(self, n_problems: int, *, seed: int, split: Split = "train") -> list[Problems]:
        """Networks on each table of the split."""
        names = self.names(split)
        each = math.ceil(n_problems / len(names))
        return [self._on(name, each, generator_of(seed, i), split) for i, name in enumerate(names)]

    def _on(self, name: str, n_problems: int, generator: torch.Generator, split: Split) -> Problems:
        rows = self._tables[name]
        if len(self._tables) < _ENOUGH_TABLES:
            rows = rows.split()[split]
        network = Perceptron(
            n_in=rows.x[0].numel(),
            n_out=rows.n_out,
            width=self.width,
            depth=self.depth,
            activation=self.activation,
            spread=0.0,
        )
        return problems_of(rows, network, n_problems, self.batch_size, generator, self.device)


def table_rows(x: npt.ArrayLike, y: npt.ArrayLike) -> Rows:
    """Rows of an array of numbers and its target, standardized; classes are numbered in their order."""
    columns = np.nan_to_num(_standard(np.asarray(x, dtype=np.float64)))
    target = np.asarray(y)
    if target.dtype.kind == "f":
        return Rows(torch.from_numpy(columns).float(), torch.from_numpy(_standard(target)).float())
    codes = np.unique(target, return_inverse=True)[1]
    return Rows(torch.from_numpy(columns).float(), torch.from_numpy(codes.reshape(-1).astype(np.int64)))


def _standard(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    spread = np.nanstd(values, axis=0)
    return np.asarray((values - np.nanmean(values, axis=0)) / np.where(spread > 0, spread, 1.0))


def builtin_tables() -> dict[str, Rows]:
    """Tables that come with scikit-learn."""
    from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine

    loaders = {
        "breast_cancer": load_breast_cancer,
        "diabetes": load_diabetes,
        "digits": load_digits,
        "iris": load_iris,
        "wine": load_wine,
    }
    return {name: table_rows(*load(return_X_y=True)) for name, load in loaders.items()}


def read_digits() -> Rows:
    """Scikit-learn's digits, pixels between 0 and 1."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return Rows(torch.from_numpy(x / 16.0).float(), torch.from_numpy(y.astype(np.int64)))


def read_mnist(folder: Path, *, shrink: int = 1) -> dict[Split, Rows]:
    """MNIST's files, pixels between 0 and 1, split.

    Args:
        folder: Where they lie.
        shrink: Pixels each way that are averaged to one; what is left over at an edge is cut off.

    Raises:
        InputError: There are none, or they are damaged.
        OptionError: The images are not that large.
    """
    test = _idx_rows(folder, "t10k", shrink)
    if test is None:
        raise InputError(
            f"{folder} has no t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte (perhaps with .gz). Name the folder "
            "that MNIST's files lie in."
        )
    train = _idx_rows(folder, "train", shrink)
    if train is None:
        return test.split()
    first = int(len(train) * 5 / 6)
    return {
        "train": Rows(train.x[:first], train.y[:first]),
        "validation": Rows(train.x[first:], train.y[first:]),
        "test": test,
    }


def _idx_rows(folder: Path, prefix: str, shrink: int) -> Rows | None:
    arrays = []
    for kind, n_sizes in (("images-idx3", 3), ("labels-idx1", 1)):
        found = [file for suffix in ("", ".gz") if (file := folder / f"{prefix}-{kind}-ubyte{suffix}").is_file()]
        if not found:
            return None
        arrays.append(_read_idx(found[0], n_sizes))
    images, labels = arrays
    if len(images) != len(labels):
        raise InputError(f"{folder} has {len(images)} {prefix} images, but {len(labels)} labels.")
    if not 1 <= shrink <= min(images.shape[1:]):
        raise OptionError(
            f"shrink averages pixels of images of {images.shape[1]} x {images.shape[2]}, but got {shrink!r}. Take 1, 2 "
            "or 4."
        )
    x = F.avg_pool2d(torch.from_numpy(images.astype(np.float32) / 255.0), shrink)
    return Rows(x.flatten(1), torch.from_numpy(labels.astype(np.int64)))


def _read_idx(file: Path, n_sizes: int) -> npt.NDArray[np.uint8]:
    """An array in the IDX format (LeCun, Cortes, Burges): a magic number, the sizes, the bytes."""
    try:
        raw = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{file} cannot be read: {error}. Fetch it again.") from error
    magic, header = bytes([0, 0, 8, n_sizes]), 4 + 4 * n_sizes
    if raw[:4] != magic:
        raise InputError(f"{file} is no IDX file of bytes in {n_sizes} dimensions: it begins with {raw[:4].hex()!r}.")
    if len(raw) < header:
        raise InputError(f"{file} is cut off: it ends before the sizes of its array do.")
    sizes: Sequence[int] = struct.unpack(f">{n_sizes}I", raw[4:header])
    if len(raw) - header != math.prod(sizes):
        raise InputError(
            f"{file} is cut off or has something behind its end: {len(raw) - header} values for an array of "
            f"{' x '.join(map(str, sizes))}."
        )
    return np.frombuffer(raw[header:], np.uint8).reshape(sizes)
