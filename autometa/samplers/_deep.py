"""A Gaussian process on features that a network learned from other datasets."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

Floats = npt.NDArray[np.float64]
Params = dict[str, "torch.Tensor"]

WIDTH = 128
_TASKS = 8
_BATCH = 50
_BLUR = 0.03
_FEWEST_SEEN = 5
_CHECKED = 50
_PATIENCE = 6
_RATE = 5e-3
_TUNING_RATE = 1e-3
_KERNEL_FASTER = 10.0  # its logarithms have far to go
_HELD_OUT = 0.2
_LEAST = 3
_JITTER = 1e-4


@dataclass(frozen=True, slots=True)
class DeepKernel:
    """The parameters of a network and of a Matern-5/2 kernel on what it makes of features.

    Attributes:
        arrays: By name: ``w0`` to ``w2`` and ``b0`` to ``b2`` of the network; logarithms ``length``, ``scale``,
            ``noise``; ``mean``.
        loss: Negative log-likelihood of one observation of datasets that were held out; NaN where there were none.
    """

    arrays: Mapping[str, Floats]
    loss: float

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """For NumPy's own file format."""
        return {**self.arrays, "loss": np.array(self.loss)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> "DeepKernel":
        """As it was.

        Raises:
            KeyError: Something is missing.
        """
        return cls({name: arrays[name] for name in _initial(1, np.random.default_rng(0))}, float(arrays["loss"]))


def meta_train(
    tables: Sequence[tuple[Floats, Floats]], *, n_features: int, steps: int, seed: int, device: str
) -> DeepKernel:
    """Learn the kernel under which datasets are most probable, each with a scale of values that is drawn anew.

    Wistuba, Grabocka (2021), "Few-Shot Bayesian Optimization with Deep Kernel Surrogates", ICLR, algorithm 1.
    Deviations: the range of values (section 4.2) is that of some of the runs drawn, not drawn itself, which would make
    the process expect much more than it can find; eight datasets make a batch; where there are three datasets or more,
    a fifth of them (one at least) is held out and says when to stop.

    Args:
        tables: Features, shape (n_runs, n_features), and values, larger is better, shape (n_runs,), of each dataset.
        n_features: How many features there are.
        steps: Batches at most.
        seed: Of the network, of what is held out, and of the batches.
        device: Of torch's.
    """
    import torch

    rng = np.random.default_rng(seed)
    params = _tensors(_initial(n_features, rng), device)
    if not tables:
        return DeepKernel(_arrays(params), math.nan)
    order = rng.permutation(len(tables))
    n_held_out = max(1, int(_HELD_OUT * len(tables))) if len(tables) >= _LEAST else 0
    held_out, taught = [tables[i] for i in order[:n_held_out]], [tables[i] for i in order[n_held_out:]]
    checks = [_batch(held_out, rng, device) for _ in range(4)] if held_out else []
    optimizer = _optimizer(params, _RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    best, kept, stale = math.inf, _arrays(params), 0
    for step in range(1, steps + 1):
        _step(optimizer, params, *_batch(taught, rng, device))
        schedule.step()
        if step % _CHECKED:
            continue
        with torch.no_grad():
            loss = float(np.mean([float(_loss(params, *check)) for check in checks])) if checks else -float(step)
        if loss < best:
            best, kept, stale = loss, _arrays(params), 0
        else:
            stale += 1
        if stale >= _PATIENCE:
            break
    return DeepKernel(kept, best if checks else math.nan)


class DeepProcess:
    """The posterior of a deep kernel."""

    def __init__(self, params: Params, features: Floats, y: Floats) -> None:
        """Condition on observations: ``features``, shape (n, n_features), and values in [0, 1], shape (n,)."""
        import torch

        self._params, self._features, self._y = params, features, y
        with torch.no_grad():
            self._known = _network(params, torch.as_tensor(features))
            self._lower = torch.linalg.cholesky(_covariance(params, self._known))
            residual = torch.as_tensor(y)[:, None] - params["mean"]
            self._weights = torch.cholesky_solve(residual, self._lower)

    @classmethod
    def tuned(
        cls, kernel: DeepKernel, features: Floats, y: Floats, *, told: npt.NDArray[np.int64], steps: int
    ) -> "DeepProcess":
        """Take ``steps`` of Adam on the likelihood of the observations ``told``, then condition on all of them."""
        import torch

        params = _tensors(kernel.arrays, "cpu")
        x, target = torch.as_tensor(features[told])[None], torch.as_tensor(y[told])[None]
        optimizer = _optimizer(params, _TUNING_RATE)
        for _ in range(steps if len(told) > 1 else 0):
            _step(optimizer, params, x, target)
        return cls({name: one.detach() for name, one in params.items()}, features, y)

    def given(self, features: Floats) -> "DeepProcess":
        """As if observations at ``features`` had come out as expected (kriging believer: Ginsbourger et al., 2010)."""
        expected = self.predict(features)[0]
        return DeepProcess(
            self._params, np.concatenate([self._features, features]), np.concatenate([self._y, expected])
        )

    def predict(self, features: Floats) -> tuple[Floats, Floats]:
        """Means and standard deviations of the noise-free values, shape (n,) each."""
        import torch

        with torch.no_grad():
            here = _network(self._params, torch.as_tensor(features))
            cross = _matern(self._params, here, self._known)
            mean = self._params["mean"] + (cross @ self._weights)[:, 0]
            half = torch.linalg.solve_triangular(self._lower, cross.T, upper=False)
            variance = self._params["scale"].exp() - (half**2).sum(0)
            return mean.numpy(), variance.clamp_min(1e-12).sqrt().numpy()


def _initial(n_features: int, rng: np.random.Generator) -> dict[str, Floats]:
    widths = (n_features, WIDTH, WIDTH, WIDTH)
    arrays: dict[str, Floats] = {}
    for i in range(3):
        bound = 1.0 / math.sqrt(widths[i])
        arrays[f"w{i}"] = rng.uniform(-bound, bound, (widths[i], widths[i + 1]))
        arrays[f"b{i}"] = rng.uniform(-bound, bound, widths[i + 1])
    logs = {"length": 0.0, "scale": 0.0, "noise": math.log(0.03), "mean": 0.0}
    return arrays | {name: np.array(value) for name, value in logs.items()}


def _tensors(arrays: Mapping[str, Floats], device: str) -> Params:
    import torch

    return {
        name: torch.tensor(one, dtype=torch.float64, device=device, requires_grad=True) for name, one in arrays.items()
    }


def _arrays(params: Params) -> dict[str, Floats]:
    return {name: one.detach().cpu().numpy().copy() for name, one in params.items()}


def _network(params: Params, x: "torch.Tensor") -> "torch.Tensor":
    for i in range(2):
        x = (x @ params[f"w{i}"] + params[f"b{i}"]).relu()
    return x @ params["w2"] + params["b2"]


def _matern(params: Params, left: "torch.Tensor", right: "torch.Tensor") -> "torch.Tensor":
    """Matern-5/2 covariance, shape (..., n_left, n_right)."""
    squares = ((left**2).sum(-1)[..., :, None] + (right**2).sum(-1)[..., None, :] - 2 * left @ right.mT).clamp_min(0)
    # The square root has no slope at 0, where every point meets itself.
    distance = (5.0 * squares * (-2 * params["length"]).exp() + 1e-12).sqrt()
    return params["scale"].exp() * (1.0 + distance + distance**2 / 3.0) * (-distance).exp()


def _covariance(params: Params, x: "torch.Tensor") -> "torch.Tensor":
    """Of noisy observations."""
    import torch

    eye = torch.eye(x.shape[-2], dtype=x.dtype, device=x.device)
    return _matern(params, x, x) + (params["noise"].exp() + _JITTER) * eye


def _loss(params: Params, x: "torch.Tensor", y: "torch.Tensor") -> "torch.Tensor":
    """Negative log-likelihood of one observation, mean over datasets; ``x`` (n_tasks, n, p), ``y`` (n_tasks, n)."""
    import torch

    lower = torch.linalg.cholesky(_covariance(params, _network(params, x)))
    residual = (y - params["mean"])[..., None]
    white = torch.linalg.solve_triangular(lower, residual, upper=False)
    half_logdet = lower.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    total = 0.5 * (white**2).sum((-2, -1)) + half_logdet + 0.5 * y.shape[-1] * math.log(2 * math.pi)
    loss: torch.Tensor = total.mean() / y.shape[-1]
    return loss


def _optimizer(params: Params, rate: float) -> "torch.optim.Optimizer":
    import torch

    network = [one for one in params.values() if one.ndim]
    kernel = [one for one in params.values() if not one.ndim]
    return torch.optim.Adam([{"params": network, "lr": rate}, {"params": kernel, "lr": _KERNEL_FASTER * rate}])


def _step(optimizer: "torch.optim.Optimizer", params: Params, x: "torch.Tensor", y: "torch.Tensor") -> None:
    optimizer.zero_grad()
    _loss(params, x, y).backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def _batch(
    tables: Sequence[tuple[Floats, Floats]], rng: np.random.Generator, device: str
) -> "tuple[torch.Tensor, torch.Tensor]":
    """Runs of some datasets; what is taken for the range of values is what a search has seen of it."""
    import torch

    x, y = [], []
    for one in rng.integers(0, len(tables), _TASKS):
        features, values = tables[one]
        rows = rng.integers(0, len(values), _BATCH) if len(values) < _BATCH else rng.choice(len(values), _BATCH, False)
        seen = values[rows[: rng.integers(_FEWEST_SEEN, _BATCH)]]
        x.append(features[rows])
        scaled = (values[rows] - seen.min()) / max(float(np.ptp(seen)), 0.1 * float(np.ptp(values)))
        # Utilities below the worst quarter are all alike: without noise the process would learn to be sure of that.
        y.append(scaled + rng.normal(0.0, _BLUR, _BATCH))
    return torch.as_tensor(np.stack(x), device=device), torch.as_tensor(np.stack(y), device=device)
