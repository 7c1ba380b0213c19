"""How well the sources explain each other: the hyperparameters of the process, learned before a search begins."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from autometa.samplers._gp import Settings, log_evidence, squared_distances

if TYPE_CHECKING:
    from autometa.samplers._sources import Sources

Floats = npt.NDArray[np.float64]

_STUDENTS = 12
_RUNS_OF_ONE = 40


def learn_settings(sources: "Sources", samples: Sequence[tuple[Floats, Floats]]) -> Settings:
    """The hyperparameters under which each source is most probable, given all others.

    Each of up to 12 sources is taken for a target of which some runs are known, half of them good ones, as a search
    would make them. What comes out says how far the sources can be believed: where they agree, the residual is small;
    where each is a world of its own, it is large, and a search relies on its own runs from the start.

    Args:
        sources: All of them, with forests and lengths.
        samples: Codes and utilities of each source's runs.
    """
    usual = Settings()
    if len(sources) < 2:
        return usual
    chosen = np.unique(np.linspace(0, len(sources) - 1, _STUDENTS).round().astype(np.int64))
    tables = [_student(sources, int(one), *samples[one]) for one in chosen]
    centre, widths = usual.vector()[1:], np.array([0.7, 1.0, 0.7, 1.5])

    def loss(moved: Floats) -> float:
        theta = np.concatenate([[0.0], centre + moved * widths])
        total = sum(log_evidence(gram, squares, mean, y, theta) for gram, squares, mean, y in tables)
        return -total + 0.5 * float(moved @ moved)

    found = minimize(loss, np.zeros(4), method="L-BFGS-B", bounds=[(-3.0, 3.0)] * 4, options={"maxiter": 30})
    spread, residual, length, noise = (centre + found.x * widths).tolist()
    return replace(usual, spread=spread, residual=residual, length=length, noise=max(noise, math.log(0.01)))


def _student(sources: "Sources", one: int, codes: Floats, utility: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """What `log_evidence` needs of a source in the place of the target."""
    rng = np.random.default_rng(one)
    order = np.argsort(-utility, kind="stable")
    good = order[: max(1, len(order) // 4)]
    rows = np.unique(
        np.concatenate(
            [
                rng.choice(good, min(len(good), _RUNS_OF_ONE // 2), replace=False),
                rng.choice(order, min(len(order), _RUNS_OF_ONE // 2), replace=False),
            ]
        )
    )
    others = np.delete(sources.says(codes[rows]), one, axis=1)
    n_others = others.shape[1]
    weights = np.full(n_others, 1.0 / n_others)
    mean = others @ weights
    apart = (others - mean[:, None]) * np.sqrt(weights)
    x = sources.coding.features(codes[rows]) / sources.lengths
    return apart @ apart.T, squared_distances(x, x), mean, utility[rows]
