"""Configurations as rows of numbers: drawn, mutated and compared many at a time.

A code has one column per hyperparameter: a number's place in its range, in [0, 1] and logarithmic where the range is;
the position of a choice; NaN where the hyperparameter is inactive.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from autometa.records import Config, ConfigValue
from autometa.spaces import Hyperparameter, SearchSpace

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_TOLERANCE = 1e-9
_STEP = 0.1  # standard deviation of a small mutation of a number, as a share of its range
_FAR = 0.25  # share of mutations that draw anew


class Coding:
    """Translates between configurations of a space, their codes, and the features that models learn from."""

    def __init__(self, space: SearchSpace) -> None:
        """Codes have ``len(space.hyperparameters)`` columns, in that order."""
        self.space = space
        self._hyperparameters = space.hyperparameters
        self._numeric = np.array([one.type != "categorical" for one in self._hyperparameters], dtype=bool)
        self._counts = np.array([len(one.choices) for one in self._hyperparameters])
        self._ordinal = np.array([_is_ordinal(one) for one in self._hyperparameters], dtype=bool)
        ordinal = zip(self._hyperparameters, self._ordinal, strict=True)
        self._ranks = [_ranks(one) if ordered else None for one, ordered in ordinal]
        position = {one.name: j for j, one in enumerate(self._hyperparameters)}
        self._needs: list[list[tuple[int, Floats]]] = []
        for one in self._hyperparameters:
            needs = space.requirements.needs(one.name)
            self._needs.append(
                [(position[name], self._codes_of(position[name], values)) for name, values in needs.items()]
            )
        widths = np.where((self._counts > 2) & ~self._ordinal, self._counts, 1)
        self.groups: npt.NDArray[np.int64] = np.repeat(np.arange(len(widths)), widths)
        """For each feature, the hyperparameter that it belongs to."""

    def encode(self, configs: Sequence[Mapping[str, ConfigValue]]) -> Floats:
        """Codes of configurations of the space, shape (n, n_hyperparameters)."""
        codes = np.full((len(configs), len(self._hyperparameters)), np.nan)
        for j, one in enumerate(self._hyperparameters):
            rows = [i for i, config in enumerate(configs) if one.name in config]
            if rows:
                codes[rows, j] = self._codes_of(j, [configs[i][one.name] for i in rows])
        return codes

    def decode(self, code: Floats) -> Config:
        """The configuration that a code stands for."""
        return {
            one.name: self._value(one, float(number))
            for one, number in zip(self._hyperparameters, code, strict=True)
            if not np.isnan(number)
        }

    def random(self, n: int, rng: np.random.Generator) -> Floats:
        """Codes drawn as `SearchSpace.sample` draws."""
        return self.activated(self._drawn(n, rng), rng)

    def mutate(self, codes: Floats, rng: np.random.Generator) -> Floats:
        """Each code with one active hyperparameter changed, sometimes two.

        Numbers and ordered choices mostly take a small step. What the change activates is drawn.
        """
        n, width = codes.shape
        fresh, changed = self._drawn(n, rng), codes.copy()
        free = ~np.isnan(codes) & ((self._counts != 1) | self._numeric)
        for share in (1.0, 0.3):
            chosen = np.where(free, rng.random((n, width)), -1.0).argmax(axis=1)
            rows = np.flatnonzero((rng.random(n) < share) & free.any(axis=1))
            columns = chosen[rows]
            stepped = self._stepped(codes[rows, columns], columns, rng)
            far = np.isnan(stepped) | (rng.random(len(rows)) < _FAR)
            changed[rows, columns] = np.where(far, fresh[rows, columns], stepped)
        return self.activated(self._snapped(changed), rng)

    def features(self, codes: Floats, *, inactive: float | None = None) -> Floats:
        """What models learn from, shape (n, len(groups)).

        Numbers as they are, ordered choices as equidistant numbers in [0, 1], other choices one-hot (of two choices one
        column).

        Args:
            codes: Shape (n, n_hyperparameters).
            inactive: Takes the place of all inactive features. None: the middle for numbers, 0 for choices, so that
                two configurations do not differ in what neither has.
        """
        blocks = [self._block(j, codes[:, j], inactive) for j in range(codes.shape[1])]
        return np.concatenate(blocks, axis=1) if blocks else np.zeros((len(codes), 0))

    def keys(self, codes: Floats) -> list[bytes]:
        """One key per row: equal for equal configurations."""
        return [row.tobytes() for row in np.round(np.nan_to_num(codes, nan=-1.0), 12) + 0.0]

    def n_configs(self, *, at_most: int) -> int:
        """How many configurations the space has; ``at_most`` where there are that many or more."""
        if any(one.type == "float" and one.step is None and one.low != one.high for one in self._hyperparameters):
            return at_most
        if any(self._needs):
            return at_most
        total = 1
        for one in self._hyperparameters:
            total = min(at_most, total * max(1, len(one.choices) or _n_values(one)))
        return total

    def _codes_of(self, j: int, values: Sequence[ConfigValue]) -> Floats:
        one = self._hyperparameters[j]
        if one.type == "categorical":
            return np.array([one.index(value) for value in values], dtype=np.float64)
        return one.unit(np.asarray(values, dtype=np.float64))

    def _value(self, one: Hyperparameter, number: float) -> ConfigValue:
        if one.type == "categorical":
            return one.choices[int(number)]
        low, high = one.bounds
        value = low * (high / low) ** number if one.log else low + (high - low) * number
        return one.nearest(value)

    def _drawn(self, n: int, rng: np.random.Generator) -> Floats:
        """Every column drawn, active or not."""
        drawn = rng.random((n, len(self._hyperparameters)))
        codes = np.where(self._numeric, drawn, np.floor(drawn * np.maximum(self._counts, 1)))
        return self._snapped(codes)

    def _snapped(self, codes: Floats) -> Floats:
        """Numbers moved to values that their hyperparameters can have."""
        for j, one in enumerate(self._hyperparameters):
            if one.type == "categorical" or (one.type == "float" and one.step is None):
                continue
            low, high = one.bounds
            if low == high:
                codes[~np.isnan(codes[:, j]), j] = one.unit(np.array([low]))[0]
                continue
            values = low * (high / low) ** codes[:, j] if one.log else low + (high - low) * codes[:, j]
            step = one.step or 1.0
            values = np.clip(low + np.round((values - low) / step) * step, low, high)
            codes[:, j] = one.unit(values)
        return codes

    def _stepped(self, numbers: Floats, columns: npt.NDArray[np.int64], rng: np.random.Generator) -> Floats:
        """A small step of each number or ordered choice; NaN where there is no order."""
        moved = np.clip(numbers + rng.normal(0.0, _STEP, len(numbers)), 0.0, 1.0)
        # A step must leave the value of a coarse integer: at least one value up or down.
        for i, j in enumerate(columns):
            one = self._hyperparameters[j]
            if self._ordinal[j]:
                order = self._ranks[j]
                assert order is not None
                rank = int(order[int(numbers[i])]) + int(rng.choice((-1, 1)))
                moved[i] = float(np.flatnonzero(order == np.clip(rank, 0, len(order) - 1))[0])
            elif one.type == "int":
                moved[i] = self._int_step(one, numbers[i], moved[i], int(rng.choice((-1, 1))))
            elif one.type == "categorical":
                moved[i] = np.nan
        return moved

    def _int_step(self, one: Hyperparameter, before: float, after: float, sign: int) -> float:
        old, new = self._value(one, before), self._value(one, after)
        if old != new:
            return after
        low, high = one.bounds
        value = np.clip(float(old) + sign * (one.step or 1.0), low, high)  # type: ignore[arg-type]
        return float(one.unit(np.array([value]))[0])

    def activated(self, codes: Floats, rng: np.random.Generator) -> Floats:
        """Codes with inactive columns emptied, and active ones that are empty drawn."""
        fresh = self._drawn(len(codes), rng)
        for j, needs in enumerate(self._needs):
            active = np.ones(len(codes), dtype=bool)
            for parent, allowed in needs:
                distance = np.abs(codes[:, [parent]] - allowed[None, :])
                active &= (distance < _TOLERANCE).any(axis=1)
            codes[:, j] = np.where(active, np.where(np.isnan(codes[:, j]), fresh[:, j], codes[:, j]), np.nan)
        return codes

    def _block(self, j: int, numbers: Floats, inactive: float | None) -> Floats:
        one, order = self._hyperparameters[j], self._ranks[j]
        missing = np.isnan(numbers)
        if one.type != "categorical" or len(one.choices) <= 2 or order is not None:
            known = np.where(missing, 0.0, numbers)
            if order is not None:
                known = order[known.astype(np.int64)] / (len(order) - 1)
            usual = 0.5 if one.type != "categorical" or order is not None else 0.0
            return np.where(missing, usual if inactive is None else inactive, known)[:, None]
        block = (numbers[:, None] == np.arange(len(one.choices))).astype(np.float64)
        if inactive is None:
            return np.asarray(block / np.sqrt(2.0))  # two different choices are as far apart as the ends of a range
        block[missing] = inactive
        return np.asarray(block)


def _is_ordinal(one: Hyperparameter) -> bool:
    """Whether a categorical hyperparameter lists numbers, whose order then means something."""
    numbers = all(isinstance(choice, int | float) and not isinstance(choice, bool) for choice in one.choices)
    return one.type == "categorical" and len(one.choices) > 2 and numbers


def _ranks(one: Hyperparameter) -> npt.NDArray[np.int64]:
    return np.argsort(np.argsort([float(choice) for choice in one.choices]))  # type: ignore[arg-type]


def _n_values(one: Hyperparameter) -> int:
    low, high = one.bounds
    return round((high - low) / (one.step or 1.0)) + 1 if high > low else 1
