"""A part of a space that proposals keep to, in codes of the whole."""

import numpy as np
import numpy.typing as npt

from autometa.samplers._coding import Coding
from autometa.spaces import SearchSpace

Floats = npt.NDArray[np.float64]

_TOLERANCE = 1e-9
_DEEPEST = 8


class Box:
    """Tells whether codes of a space lie in a narrower one, and moves them into it."""

    def __init__(self, coding: Coding, narrow: SearchSpace) -> None:
        """``narrow`` is a part of the coding's space; hyperparameters that it lacks are not active there."""
        self._coding = coding
        n = len(coding.space.hyperparameters)
        self._low, self._high = np.full(n, -np.inf), np.full(n, np.inf)
        self._choices: dict[int, Floats] = {}
        for j, one in enumerate(coding.space.hyperparameters):
            if one.name not in narrow:
                continue
            within = narrow[one.name]
            if one.type == "categorical":
                self._choices[j] = np.array([one.index(choice) for choice in within.choices], dtype=np.float64)
            else:
                self._low[j], self._high[j] = one.unit(np.array(within.bounds, dtype=np.float64))

    def holds(self, codes: Floats) -> npt.NDArray[np.bool_]:
        """Which codes, shape (n, n_hyperparameters), lie in it, shape (n,)."""
        inside = np.isnan(codes) | ((codes >= self._low - _TOLERANCE) & (codes <= self._high + _TOLERANCE))
        for j, allowed in self._choices.items():
            inside[:, j] &= np.isnan(codes[:, j]) | np.isin(codes[:, j], allowed)
        return np.asarray(inside.all(axis=1))

    def move(self, codes: Floats, rng: np.random.Generator) -> Floats:
        """Codes with ranges cut off at the box, and choices that it lacks drawn anew, with what hangs on them."""
        for _ in range(_DEEPEST):
            codes = np.clip(codes, self._low, self._high)
            for j, allowed in self._choices.items():
                wrong = ~np.isnan(codes[:, j]) & ~np.isin(codes[:, j], allowed)
                codes[wrong, j] = rng.choice(allowed, int(wrong.sum()))
            codes = self._coding.activated(codes, rng)
            if self.holds(codes).all():
                break
        return codes
