"""A Gaussian process whose prior is what other datasets say, and one that knows of none.

Utility is minus regret: 0 for the best that a dataset has, -1 for its worst quarter. What the target shows is its own
scale, so for a configuration x with utilities phi_s(x) on the sources s the model is::

    y(x) = offset + scale * (sum_s pi_s phi_s(x) + sum_s w_s sqrt(pi_s) (phi_s(x) - mean(x)) + r(x) + noise)

with weights w_s ~ N(0, spread^2), a residual r with a Matern-5/2 kernel of amplitude ``residual``, and a flat prior on
the offset. So the prior mean is the sources' weighted mean, and the prior covariance their covariance over datasets:
what differs between datasets is learned first, by reweighting them, and what none of them knows by the residual.
Without sources all that is left is an ordinary process. This is the empirical-Bayes view of transfer of Wang et al.
(2024, Pre-trained Gaussian processes for Bayesian optimization, JMLR 25), with the moments taken from the sources'
surrogates.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_solve, solve_triangular
from scipy.optimize import minimize
from scipy.special import log_ndtr, ndtr

Floats = npt.NDArray[np.float64]

_JITTER = 1e-8
_MOST_FITTED = 200


@dataclass(frozen=True, slots=True)
class Settings:
    """Hyperparameters of the process, in logarithms: scale, spread, residual, lengthscale, noise.

    As a prior they come with ``widths``, the standard deviations of the logarithms; 0 keeps one fixed.
    """

    scale: float = 0.0
    spread: float = 0.0
    residual: float = math.log(0.3)
    length: float = math.log(0.5)
    noise: float = math.log(0.05)
    widths: tuple[float, float, float, float, float] = (2.0, 0.5, 0.7, 0.5, 1.0)

    @classmethod
    def of(cls, vector: Iterable[float], widths: Iterable[float]) -> "Settings":
        """From the five logarithms and their widths."""
        scale, spread, residual, length, noise = (float(one) for one in vector)
        first, second, third, fourth, fifth = (float(one) for one in widths)
        return cls(scale, spread, residual, length, noise, (first, second, third, fourth, fifth))

    def vector(self) -> Floats:
        """The five logarithms."""
        return np.array([self.scale, self.spread, self.residual, self.length, self.noise])


@dataclass(frozen=True, slots=True)
class Inputs:
    """Configurations as the process sees them.

    ``x`` are features divided by their relative lengthscales, shape (n, p); ``mean`` is the sources' weighted mean,
    shape (n,); ``apart`` are the sources' weighted deviations from it, shape (n, n_sources).
    """

    x: Floats
    mean: Floats
    apart: Floats

    def take(self, rows: npt.NDArray[np.int64]) -> "Inputs":
        """Some of them."""
        return Inputs(self.x[rows], self.mean[rows], self.apart[rows])

    @staticmethod
    def join(left: "Inputs", right: "Inputs") -> "Inputs":
        """Both, one after the other."""
        return Inputs(
            np.concatenate([left.x, right.x]),
            np.concatenate([left.mean, right.mean]),
            np.concatenate([left.apart, right.apart]),
        )


class Process:
    """The posterior given observations; utilities are in the process's own unit, of which ``scale`` is one."""

    def __init__(self, inputs: Inputs, y: Floats, settings: Settings) -> None:
        """``y`` are observed values, shape (n,), larger is better."""
        self.settings, self._inputs = settings, inputs
        self.scale, self._spread, self._residual, self._length, self._noise = np.exp(settings.vector())
        self._clean = settings.vector()
        self._clean[-1] = -np.inf
        n = len(y)
        covariance = _covariance(self._gram(inputs), self._squares(inputs.x, inputs.x), settings.vector())
        self._lower = _cholesky(covariance)
        self._observed = y / self.scale
        residual = self._observed - inputs.mean
        ones = solve_triangular(self._lower, np.ones(n), lower=True)
        rest = solve_triangular(self._lower, residual, lower=True)
        self.offset = float(rest @ ones / (ones @ ones))
        self._weights = cho_solve((self._lower, True), residual - self.offset)
        self.best = float(np.max(self.predict(inputs)[0]))

    def predict(self, inputs: Inputs) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the noise-free utility, shape (n,) each; the offset counts as known."""
        known = self._inputs
        cross = self._spread**2 * inputs.apart @ known.apart.T
        cross += self._residual**2 * matern(self._squares(inputs.x, known.x) / self._length**2)
        mean = inputs.mean + self.offset + cross @ self._weights
        half = solve_triangular(self._lower, cross.T, lower=True)
        prior = self._spread**2 * np.einsum("ij,ij->i", inputs.apart, inputs.apart) + self._residual**2
        return mean, np.sqrt(np.maximum(prior - np.einsum("ij,ij->j", half, half), 1e-12))

    def joint(self, inputs: Inputs) -> tuple[Floats, Floats]:
        """Mean, shape (n,), and covariance, shape (n, n), of the noise-free utility."""
        known, own = self._inputs, _covariance(self._gram(inputs), self._squares(inputs.x, inputs.x), self._clean)
        cross = self._spread**2 * inputs.apart @ known.apart.T
        cross += self._residual**2 * matern(self._squares(inputs.x, known.x) / self._length**2)
        half = solve_triangular(self._lower, cross.T, lower=True)
        return inputs.mean + self.offset + cross @ self._weights, own - half.T @ half

    def leave_one_out(self) -> tuple[Floats, Floats]:
        """What it would predict of each observation without it: means and standard deviations of the utility, noisy.

        Rasmussen, Williams (2006), equation 5.12; the offset counts as known.
        """
        inverse = cho_solve((self._lower, True), np.eye(len(self._weights)))
        variance = 1.0 / np.diag(inverse)
        return self._observed - self._weights * variance, np.sqrt(variance)

    def log_improvement(self, inputs: Inputs, *, better_than: float | None = None) -> Floats:
        """Logarithm of the expected improvement, in the target's unit, over the best mean so far."""
        mean, deviation = self.predict(inputs)
        best = self.best if better_than is None else better_than
        return log_expected_improvement((mean - best) / deviation) + np.log(deviation) + math.log(self.scale)

    @staticmethod
    def _gram(inputs: Inputs) -> Floats:
        return np.asarray(inputs.apart @ inputs.apart.T)

    @staticmethod
    def _squares(left: Floats, right: Floats) -> Floats:
        return squared_distances(left, right)


def fitted(inputs: Inputs, y: Floats, prior: Settings) -> tuple[Settings, float]:
    """The most probable hyperparameters, and the logarithm of the evidence (MacKay, 1992) for the model with them.

    Of more than 200 observations the best and an even choice of the others decide.
    """
    rows = representative(y, _MOST_FITTED)
    inputs, y = inputs.take(rows), y[rows]
    gram, squares = inputs.apart @ inputs.apart.T, squared_distances(inputs.x, inputs.x)
    widths, centre = np.array(prior.widths), prior.vector()
    free = np.flatnonzero(widths > 0)

    def loss(moved: Floats) -> float:
        theta = centre.copy()
        theta[free] += moved * widths[free]
        return -log_evidence(gram, squares, inputs.mean, y, theta) + 0.5 * float(moved @ moved)

    found = minimize(
        loss, np.zeros(len(free)), method="L-BFGS-B", bounds=[(-4.0, 4.0)] * len(free), options={"maxiter": 20}
    )
    theta = centre.copy()
    theta[free] += found.x * widths[free]
    return Settings.of(theta, prior.widths), -float(found.fun)


def log_evidence(gram: Floats, squares: Floats, mean: Floats, y: Floats, theta: Floats) -> float:
    """Restricted likelihood: the offset is integrated out."""
    n, scale = len(y), math.exp(theta[0])
    try:
        lower = np.linalg.cholesky(_covariance(gram, squares, theta) + _JITTER * np.eye(n))
    except np.linalg.LinAlgError:
        return -1e10
    both = solve_triangular(lower, np.column_stack([np.ones(n), y / scale - mean]), lower=True, check_finite=False)
    ones, rest = both[:, 0], both[:, 1]
    information = float(ones @ ones)
    explained = float(rest @ rest) - float(rest @ ones) ** 2 / information
    half_logdet = float(np.log(np.diag(lower)).sum())
    fit = -0.5 * explained - half_logdet - 0.5 * math.log(information)
    return fit - (n - 1) * (float(theta[0]) + 0.5 * _LOG_2PI)


_LOG_2PI = math.log(2 * math.pi)


def _covariance(gram: Floats, squares: Floats, theta: Floats) -> Floats:
    _, spread, residual, length, noise = np.exp(theta)
    covariance = spread**2 * gram + residual**2 * matern(squares / length**2)
    covariance[np.diag_indices_from(covariance)] += noise**2
    return np.asarray(covariance)


def _cholesky(covariance: Floats) -> Floats:
    """The lower factor, with as little added to the diagonal as it takes."""
    jitter, eye = _JITTER, np.eye(len(covariance))
    while True:
        try:
            return np.asarray(np.linalg.cholesky(covariance + jitter * eye))
        except np.linalg.LinAlgError:
            jitter *= 100
            if jitter > 1:
                raise


def squared_distances(left: Floats, right: Floats) -> Floats:
    """Squared Euclidean distances, shape (len(left), len(right))."""
    squares = left @ right.T
    squares *= -2.0
    squares += np.einsum("ij,ij->i", left, left)[:, None]
    squares += np.einsum("ij,ij->i", right, right)
    return np.asarray(np.maximum(squares, 0.0, out=squares))


def matern(squares: Floats) -> Floats:
    """Matern-5/2 correlation of squared distances in lengthscales (Rasmussen, Williams, 2006, equation 4.17)."""
    distance = np.sqrt(5.0 * squares)
    found = (
        distance / 3.0
    )  # (1 + d + d^2 / 3) exp(-d), in place: with a thousand observations memory is what takes time
    found += 1.0
    found *= distance
    found += 1.0
    found *= np.exp(np.negative(distance, out=distance), out=distance)
    return np.asarray(found)


def log_expected_improvement(z: Floats) -> Floats:
    """Logarithm of E[max(0, z + N(0, 1))], without underflow (Ament et al., 2023, NeurIPS, equation 9)."""
    tail = z < -5.0
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        near = np.log(np.where(tail, 1.0, z * ndtr(z) + np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)))
        far = -0.5 * z * z - 0.5 * _LOG_2PI + np.log1p(-np.abs(z) * np.exp(log_ndtr(z) + 0.5 * z * z + 0.5 * _LOG_2PI))
        # Beyond -50 even the difference above cancels: the leading term of its expansion is z^-2.
        far = np.where(z < -50.0, -0.5 * z * z - 0.5 * _LOG_2PI - 2.0 * np.log(np.abs(np.minimum(z, -1.0))), far)
    return np.asarray(np.where(tail, far, near))


def representative(y: Floats, most: int) -> npt.NDArray[np.int64]:
    """Which observations stand for all: of more than ``most``, the best half, and an even choice of the others."""
    if len(y) <= most:
        return np.arange(len(y))
    order, half = np.argsort(-y, kind="stable"), most // 2
    others = np.linspace(half, len(y) - 1, most - half).round().astype(np.int64)
    return np.sort(np.concatenate([order[:half], order[others]]))
