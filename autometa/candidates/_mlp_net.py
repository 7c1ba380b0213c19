"""The network behind the MLP candidate: embeddings, residual blocks, an ensemble that shares weights.

Sources, and what was taken from each:

- Gorishniy, Rubachev, Khrulkov, Babenko (2021), *Revisiting Deep Learning Models for Tabular Data*,
  https://arxiv.org/abs/2106.11959: pre-norm residual blocks (here with layer norm, so that a row's output
  does not depend on its batch).
- Gorishniy, Rubachev, Babenko (2022), *On Embeddings for Numerical Features in Tabular Deep Learning*,
  https://arxiv.org/abs/2203.05556: periodic embeddings, eq. 4.
- Holzmüller, Grinsztajn, Steinwart (2024), *Better by Default*, https://arxiv.org/abs/2407.04491: the cosine
  with a phase and the value itself beside its embedding (PBLD, app. A), smooth clipping, one-hot codes for
  small categories and embeddings for large ones.
- Gorishniy, Kotelnikov, Babenko (2025), *TabM*, https://arxiv.org/abs/2410.24210: TabM-mini, members that
  differ by a scaling of the input and by their output layer, and share everything between.

Every random number comes from a `torch.Generator` that the caller hands in; torch's global one is neither
read nor moved.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NumericEmbedding = Literal["none", "periodic"]
EMBEDDING_DIM = 8
_INT64 = torch.iinfo(torch.int64)


@dataclass(frozen=True, slots=True)
class NetSpec:
    """What a `TabularNet` looks like.

    ``n_flags`` counts inputs that are fed as they are (one-hot codes, missing-value flags);
    ``cardinalities`` has one entry per category that is embedded, codes 0..cardinality-1, and a code of
    ``cardinality`` stands for "unknown" and is embedded as zeros.
    """

    n_numeric: int
    n_flags: int
    cardinalities: tuple[int, ...]
    n_outputs: int
    n_blocks: int
    width: int
    dropout: float
    numeric_embedding: NumericEmbedding
    n_frequencies: int
    embedding_dim: int
    frequency_scale: float
    ensemble_size: int


def dropout(x: Tensor, rate: float, generator: torch.Generator | None) -> Tensor:
    """Inverted dropout with a mask from ``generator``; the identity without one (Srivastava et al., 2014).

    One random byte decides on each unit, so the rate is rounded to a multiple of 1/256. This is three times
    faster on a CPU than torch's own Bernoulli draws, which were a quarter of the training time.
    """
    dropped = 0 if generator is None else min(round(rate * 256), 255)
    if dropped == 0:
        return x
    words = torch.empty((x.numel() + 7) // 8, dtype=torch.int64, device=x.device)
    words.random_(_INT64.min, None, generator=generator)
    kept = words.view(torch.uint8)[: x.numel()].view(x.shape) >= dropped
    return x * kept.to(x.dtype).mul_(256 / (256 - dropped))


def _uniform(shape: tuple[int, ...], bound: float, generator: torch.Generator) -> nn.Parameter:
    return nn.Parameter(torch.rand(shape, generator=generator).mul_(2 * bound).sub_(bound))


def _normal(shape: tuple[int, ...], std: float, generator: torch.Generator) -> nn.Parameter:
    return nn.Parameter(torch.randn(shape, generator=generator).mul_(std))


class Linear(nn.Module):
    """``x W^T + b``, initialised from a generator: W ~ N(0, gain / n_in), b = 0."""

    def __init__(self, n_in: int, n_out: int, generator: torch.Generator, *, gain: float = 1.0) -> None:
        super().__init__()
        self.weight = _normal((n_out, n_in), math.sqrt(gain / max(n_in, 1)), generator)
        self.bias = nn.Parameter(torch.zeros(n_out))

    def forward(self, x: Tensor) -> Tensor:
        """(..., n_in) to (..., n_out)."""
        return F.linear(x, self.weight, self.bias)


class PeriodicEmbedding(nn.Module):
    """Each number x becomes [x, W cos(2 pi f x + p) + b], with f, p, W, b of its own column.

    f ~ N(0, scale^2): a larger scale resolves finer steps and overfits sooner, which makes it the
    hyperparameter to tune. Deviates from PLR (2022) by the phase instead of sine and cosine, and by the
    missing activation: both are RealMLP's.
    """

    def __init__(self, n_features: int, n_frequencies: int, dim: int, scale: float, generator: torch.Generator) -> None:
        super().__init__()
        self.frequency = _normal((n_features, n_frequencies), scale, generator)
        self.phase = _uniform((n_features, n_frequencies), math.pi, generator)
        self.weight = _normal((n_features, n_frequencies, dim), 1 / math.sqrt(n_frequencies), generator)
        self.bias = nn.Parameter(torch.zeros(n_features, dim))

    def forward(self, x: Tensor) -> Tensor:
        """(n_rows, n_features) to (n_rows, n_features * (1 + dim))."""
        waves = torch.cos(2 * math.pi * self.frequency * x.unsqueeze(-1) + self.phase)
        embedded = torch.einsum("nfk,fkd->nfd", waves, self.weight) + self.bias
        return torch.cat([x, embedded.flatten(1)], dim=1)


class CategoryEmbedding(nn.Module):
    """One table of vectors per category column; the code after the last is "unknown", a vector of zeros."""

    def __init__(self, cardinalities: tuple[int, ...], dim: int, generator: torch.Generator) -> None:
        super().__init__()
        self.tables = nn.ParameterList(_normal((c, dim), 1 / math.sqrt(dim), generator) for c in cardinalities)

    def forward(self, codes: Tensor) -> Tensor:
        """(n_rows, n_columns) integer codes to (n_rows, n_columns * dim)."""
        padded = (F.pad(table, (0, 0, 0, 1)) for table in self.tables)
        return torch.cat([F.embedding(codes[:, j], t) for j, t in enumerate(padded)], dim=1)


class ResidualBlock(nn.Module):
    """``x + W2 dropout(act(W1 norm(x)))``."""

    def __init__(self, width: int, rate: float, generator: torch.Generator) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.inner = Linear(width, width, generator, gain=2.0)
        self.outer = Linear(width, width, generator, gain=0.5)
        self.rate = rate

    def forward(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        """(..., width) to (..., width)."""
        hidden = dropout(F.relu(self.inner(self.norm(x))), self.rate, generator)
        out: Tensor = self.outer(hidden)
        return x + out


class TabularNet(nn.Module):
    """Embeddings, then per member a scaling, shared residual blocks, and per member an output layer."""

    def __init__(self, spec: NetSpec, generator: torch.Generator) -> None:
        super().__init__()
        self.spec = spec
        k = spec.ensemble_size
        self.numeric = None
        n_in = spec.n_numeric + spec.n_flags
        if spec.n_numeric and spec.numeric_embedding == "periodic":
            self.numeric = PeriodicEmbedding(
                spec.n_numeric, spec.n_frequencies, spec.embedding_dim, spec.frequency_scale, generator
            )
            n_in += spec.n_numeric * spec.embedding_dim
        self.categories = None
        if spec.cardinalities:
            self.categories = CategoryEmbedding(spec.cardinalities, EMBEDDING_DIM, generator)
            n_in += len(spec.cardinalities) * EMBEDDING_DIM
        signs = torch.randint(0, 2, (k, 1, n_in), generator=generator).float().mul_(2).sub_(1)
        self.scale = nn.Parameter(signs if k > 1 else torch.ones(1, 1, n_in))
        self.stem = Linear(n_in, spec.width, generator)
        self.blocks = nn.ModuleList(ResidualBlock(spec.width, spec.dropout, generator) for _ in range(spec.n_blocks))
        self.norm = nn.LayerNorm(spec.width)
        self.head = _normal((k, spec.width, spec.n_outputs), 1 / math.sqrt(spec.width), generator)
        self.head_bias = nn.Parameter(torch.zeros(k, 1, spec.n_outputs))

    def forward(
        self, numeric: Tensor, flags: Tensor, codes: Tensor, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Outputs of every member, (ensemble_size, n_rows, n_outputs).

        ``numeric`` is (n_rows, n_numeric), ``flags`` (n_rows, n_flags), ``codes`` (n_rows, n_embedded) of
        integers. With a ``generator`` the net drops units at random, as in training.
        """
        parts = [numeric if self.numeric is None else self.numeric(numeric), flags]
        if self.categories is not None:
            parts.append(self.categories(codes))
        x = self.stem(torch.cat(parts, dim=1) * self.scale)
        for block in self.blocks:
            x = block(x, generator)
        x = F.relu(self.norm(x))
        return torch.baddbmm(self.head_bias, x, self.head)

    def decayed_parameters(self) -> list[nn.Parameter]:
        """The weight matrices between layers."""
        return [module.weight for module in self.modules() if isinstance(module, Linear)] + [self.head]

    def embedding_parameters(self) -> list[nn.Parameter]:
        """The parameters of the numeric embedding; none where numbers are fed as they are."""
        return [] if self.numeric is None else list(self.numeric.parameters())

    def free_parameters(self) -> list[nn.Parameter]:
        """The rest, which weight decay would only hurt: biases, norms, scalings, category vectors."""
        named = {id(parameter) for parameter in (*self.decayed_parameters(), *self.embedding_parameters())}
        return [parameter for parameter in self.parameters() if id(parameter) not in named]
