"""Networks that turn items into vectors: Conv-4, ResNet-12, and a multi-layer perceptron.

Where batch normalization takes its statistics from is never a side effect of ``train()`` and ``eval()`` alone; every
network is made for one of four modes (`NormMode`), and learners report which.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autometa.errors import OptionError
from autometa.metatraining import seeded
from autometa.registry import Entry, Registry

NormMode = Literal["transductive", "support", "running", "none"]
"""Where batch normalization takes its statistics from.

``transductive``: from the batch at hand, also where that is the queries, which then help each other. ``support``: from
the support, also for queries. ``running``: from the batch in training, else from running averages. ``none``: there is
no normalization.
"""

Downsample = Literal["max", "stride"]
_EPSILON = 1e-5
_MOMENTUM = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class BackboneSpec:
    """What a network looks like.

    Attributes:
        name: In `BACKBONES`.
        width: Channels or units of a layer; ResNet-12 has 1, 2, 4 and 8 times as many in its four blocks.
        depth: Layers of an MLP; the others have theirs.
        downsample: How a layer of Conv-4 halves the image: max pooling (Vinyals et al., 2016), or a stride of two and
            a mean over what is left of the image (Finn et al., 2017, on Omniglot).
        norm: Where batch normalization takes its statistics from.
        seed: Of the initial weights.
    """

    name: str = "conv4"
    width: int = 64
    depth: int = 2
    downsample: Downsample = "max"
    norm: NormMode = "running"
    seed: int = 0

    def __post_init__(self) -> None:
        """Values must be possible."""
        if self.width < 1 or self.depth < 1:
            raise OptionError(f"Width and depth are at least 1, but got {self.width} and {self.depth}.")
        for name, options in (("downsample", get_args(Downsample)), ("norm", get_args(NormMode))):
            if (value := getattr(self, name)) not in options:
                raise OptionError(f"{name} is one of {', '.join(options)}, but got {value!r}.")


class BatchNorm(nn.Module):
    """Batch normalization over all but the second dimension, with statistics from where ``mode`` says.

    Unlike `torch.nn.BatchNorm2d` it may be vmapped and differentiated twice in every mode but ``running``.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, n_features: int, mode: NormMode) -> None:
        super().__init__()
        self.mode = mode
        self.weight = nn.Parameter(torch.ones(n_features))
        self.bias = nn.Parameter(torch.zeros(n_features))
        if mode == "running":
            self.register_buffer("running_mean", torch.zeros(n_features))
            self.register_buffer("running_var", torch.ones(n_features))

    def forward(self, x: Tensor, n_reference: int | None = None) -> Tensor:
        """(n, n_features, ...) to the same; statistics are of the first ``n_reference`` items, of all by default."""
        if self.mode == "running":
            mean, var = self.running_mean, self.running_var
            return F.batch_norm(x, mean, var, self.weight, self.bias, self.training, _MOMENTUM, _EPSILON)
        # Not F.batch_norm: its second derivative is wrong under torch 2.13's vmap with weights of each episode's own.
        dims = [0, *range(2, x.ndim)]
        var, mean = torch.var_mean(x if n_reference is None else x[:n_reference], dims, correction=0, keepdim=True)
        shape = (1, -1, *(1 for _ in range(2, x.ndim)))
        scale = self.weight.view(shape) * (var + _EPSILON).rsqrt()
        return (x - mean) * scale + self.bias.view(shape)


def _norm(n_features: int, mode: NormMode) -> BatchNorm | None:
    return None if mode == "none" else BatchNorm(n_features, mode)


class Backbone(nn.Module, ABC):
    """A network from items to vectors.

    Called with ``n_reference`` its batch normalization takes statistics of the first so many items alone, which keeps
    what it says of one query independent of the others: pass the support first, then the queries.
    """

    out_features: int
    """Length of the vectors."""

    @abstractmethod
    def maps(self, x: Tensor, n_reference: int | None = None) -> Tensor:
        """(n, \\*shape) to what the last layer gives, (n, channels, height, width) or (n, units)."""

    def forward(self, x: Tensor, n_reference: int | None = None) -> Tensor:
        """(n, \\*shape) to (n, out_features)."""
        return self.maps(x, n_reference).flatten(1)


class _ConvBlock(nn.Module):
    """3x3 convolution, normalization, ReLU, and perhaps max pooling."""

    def __init__(
        self, n_in: int, n_out: int, mode: NormMode, *, stride: int = 1, padding: int = 1, pools: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out, 3, stride=stride, padding=padding, bias=mode == "none")
        nn.init.kaiming_normal_(self.conv.weight, nonlinearity="relu")
        self.norm = _norm(n_out, mode)
        self.pools = pools

    def forward(self, x: Tensor, n_reference: int | None) -> Tensor:
        """(n, n_in, height, width) to (n, n_out, about half, about half)."""
        x = self.conv(x)
        x = x if self.norm is None else self.norm(x, n_reference)
        # Pooled before the ReLU, which is the same and four times less to do.
        return F.relu(F.max_pool2d(x, 2) if self.pools else x)


class _Convolutions(Backbone):
    """Blocks of convolutions, one after the other."""

    def __init__(self, blocks: Iterable[_ConvBlock]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def maps(self, x: Tensor, n_reference: int | None = None) -> Tensor:
        """(n, channels, height, width) to (n, width, smaller, smaller)."""
        for block in self.blocks:
            x = block(x, n_reference)
        return x


class Conv4(_Convolutions):
    """Four blocks of convolution, batch normalization, ReLU and downsampling.

    Vinyals et al. (2016), sec. 4.1.1. Convolutions have no bias where a normalization follows, which would take it
    away again.
    """

    def __init__(self, shape: tuple[int, ...], spec: BackboneSpec) -> None:
        strides = spec.downsample == "stride"
        channels, height, width = _image(shape, spec.name, at_least=2 if strides else 16)
        sizes = pairwise([channels, *[spec.width] * 4])
        stride = 2 if strides else 1
        super().__init__(_ConvBlock(a, b, spec.norm, stride=stride, pools=not strides) for a, b in sizes)
        self.averages = strides
        self.out_features = spec.width if strides else spec.width * (height // 16) * (width // 16)

    def forward(self, x: Tensor, n_reference: int | None = None) -> Tensor:
        """(n, channels, height, width) to (n, out_features)."""
        found = self.maps(x, n_reference)
        return found.mean((2, 3)) if self.averages else found.flatten(1)


class Conv4Maps(_Convolutions):
    """Conv-4 whose last two blocks keep the size, and whose first two have no padding: maps of 5 x 5 from 28 x 28.

    The encoder of Relation Networks (Sung et al., 2018, sec. 4 and fig. 3).
    """

    def __init__(self, shape: tuple[int, ...], spec: BackboneSpec) -> None:
        channels, height, width = _image(shape, spec.name, at_least=10)
        sizes = pairwise([channels, *[spec.width] * 4])
        super().__init__(
            _ConvBlock(a, b, spec.norm, padding=0 if i < 2 else 1, pools=i < 2) for i, (a, b) in enumerate(sizes)
        )
        for _ in range(2):
            height, width = (height - 2) // 2, (width - 2) // 2
        self.out_features = spec.width * height * width


class _ResidualBlock(nn.Module):
    """Three convolutions beside a shortcut, then half the size."""

    def __init__(self, n_in: int, n_out: int, mode: NormMode) -> None:
        super().__init__()
        sizes = [n_in, n_out, n_out, n_out]
        biased = mode == "none"
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1, bias=biased) for a, b in pairwise(sizes))
        self.norms = nn.ModuleList(BatchNorm(n_out, mode) for _ in range(3) if mode != "none")
        self.shortcut = nn.Conv2d(n_in, n_out, 1, bias=biased)
        self.shortcut_norm = _norm(n_out, mode)

    def forward(self, x: Tensor, n_reference: int | None) -> Tensor:
        """(n, n_in, height, width) to (n, n_out, height / 2, width / 2)."""
        found, beside = x, self.shortcut(x)
        if self.shortcut_norm is not None:
            beside = self.shortcut_norm(beside, n_reference)
        for i, conv in enumerate(self.convs):
            found = conv(found)
            if len(self.norms):
                found = self.norms[i](found, n_reference)
            found = F.leaky_relu(found if i < 2 else F.max_pool2d(found + beside, 2), 0.1)
        return found


class ResNet12(Backbone):
    """Four residual blocks of three convolutions, then a mean over the image.

    Mishra et al. (2018), app. A, in the form of Lee et al. (2019), *MetaOptNet*, https://arxiv.org/abs/1904.03758,
    without DropBlock and with widths of 1, 2, 4 and 8 times the spec's (Oreshkin et al., 2018, TADAM).
    """

    def __init__(self, shape: tuple[int, ...], spec: BackboneSpec) -> None:
        super().__init__()
        channels, *_ = _image(shape, spec.name, at_least=16)
        sizes = [channels, *(spec.width * factor for factor in (1, 2, 4, 8))]
        self.blocks = nn.ModuleList(_ResidualBlock(a, b, spec.norm) for a, b in pairwise(sizes))
        self.out_features = sizes[-1]
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="leaky_relu")

    def maps(self, x: Tensor, n_reference: int | None = None) -> Tensor:
        """(n, channels, height, width) to (n, 8 width, height / 16, width / 16)."""
        for block in self.blocks:
            x = block(x, n_reference)
        return x

    def forward(self, x: Tensor, n_reference: int | None = None) -> Tensor:
        """(n, channels, height, width) to (n, 8 width)."""
        return self.maps(x, n_reference).mean((2, 3))


class MLP(Backbone):
    """Fully connected layers with ReLU, for items of any shape."""

    def __init__(self, shape: tuple[int, ...], spec: BackboneSpec) -> None:
        super().__init__()
        sizes = [math.prod(shape), *[spec.width] * spec.depth]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.norms = nn.ModuleList(BatchNorm(spec.width, spec.norm) for _ in range(spec.depth) if spec.norm != "none")
        self.out_features = spec.width

    def maps(self, x: Tensor, n_reference: int | None = None) -> Tensor:
        """(n, \\*shape) to (n, width)."""
        x = x.flatten(1)
        for i, layer in enumerate(self.layers):
            x = layer(x)
            x = F.relu(self.norms[i](x, n_reference) if len(self.norms) else x)
        return x


def _image(shape: tuple[int, ...], name: str, *, at_least: int) -> tuple[int, int, int]:
    if len(shape) != 3 or min(shape[1:]) < at_least:
        raise OptionError(
            f"The backbone {name} takes images (channels, height, width) of at least {at_least} x {at_least} pixels, "
            f"but items have shape {shape}. Use the backbone mlp for vectors."
        )
    return shape[0], shape[1], shape[2]


class Pixels(Backbone):
    """The items as they are, flat; nothing is learned."""

    def __init__(self, shape: tuple[int, ...], spec: BackboneSpec) -> None:
        super().__init__()
        self.out_features = math.prod(shape)

    def maps(self, x: Tensor, n_reference: int | None = None) -> Tensor:
        """(n, \\*shape) to the same."""
        return x


BACKBONES: Registry[Callable[[tuple[int, ...], BackboneSpec], Backbone]] = Registry("backbone")
BACKBONES.register(Entry("conv4", lambda: Conv4, "Four convolutions", "Vinyals et al. (2016)"))
BACKBONES.register(Entry("conv4_maps", lambda: Conv4Maps, "Four convolutions that keep a map", "Sung et al. (2018)"))
BACKBONES.register(Entry("mlp", lambda: MLP, "Fully connected layers, for vectors"))
BACKBONES.register(Entry("pixels", lambda: Pixels, "Nothing: the items as they are"))
BACKBONES.register(Entry("resnet12", lambda: ResNet12, "Four residual blocks", "Mishra et al. (2018)"))


def make_backbone(shape: tuple[int, ...], spec: BackboneSpec) -> Backbone:
    """The network of a spec for items of a shape; the global random state stays as it was.

    Raises:
        UnknownNameError: There is no such network.
        OptionError: The items do not suit it.
    """
    factory = BACKBONES.create(spec.name)
    with seeded(spec.seed):
        return factory(shape, spec)
