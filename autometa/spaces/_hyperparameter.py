"""One dimension of a search space: its type, its range, its default, and when it exists."""

import json
import math
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
import numpy.typing as npt

from autometa.records import TASK_TYPES, ConfigValue, TaskType
from autometa.spaces._checks import check
from autometa.spaces._rules import RuleError
from autometa.spaces._values import n_steps, number_text, off_grid, plain, plain_type

if TYPE_CHECKING:
    import optuna

HyperparameterType = Literal["float", "int", "categorical"]
_GRID_TOLERANCE = 1e-8  # Optuna's own, in steps


@dataclass(frozen=True, slots=True)
class Condition:
    """A hyperparameter exists only while ``parent`` is active and has one of ``values``."""

    parent: str
    values: tuple[ConfigValue, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Hyperparameter:
    """One named dimension; its rules are checked when it is made.

    Attributes:
        name: Unique within the space.
        type: ``float``, ``int`` or ``categorical``.
        default: A value inside the range; what a configuration has where nothing better is known.
        low: Smallest value, inclusive; None for a categorical one.
        high: Largest value, inclusive; None for a categorical one.
        log: Whether the range is searched on a logarithmic scale.
        step: Distance between neighbouring values, counted from ``low``; None = 1 for int, none for float.
        choices: The values of a categorical one: None, bool, int, float or str, no two equal in Python.
        when: All of these must hold for the hyperparameter to be active; empty = always.
        tasks: Task types for which it exists.
        reference: Where the range comes from.
        before: For one that was added later: what configurations from before have, which do not say it; None
            where there are none. It is never guessed from `default`, which may change.

    Raises:
        SpaceError: A rule is broken.
    """

    name: str
    type: HyperparameterType
    default: ConfigValue
    low: float | None = None
    high: float | None = None
    log: bool = False
    step: float | None = None
    choices: tuple[ConfigValue, ...] = ()
    when: tuple[Condition, ...] = ()
    tasks: tuple[TaskType, ...] = TASK_TYPES
    reference: str = ""
    before: ConfigValue = None

    def __post_init__(self) -> None:
        _normalise(self)
        try:
            check(self)
        except RuleError as error:
            raise RuleError(error.rule, error.path, f"hyperparameter {self.name!r}") from None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hyperparameter) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    @property
    def bounds(self) -> tuple[float, float]:
        """``(low, high)`` of a numeric hyperparameter; a categorical one has none."""
        if self.low is None or self.high is None:
            raise TypeError(f"{self.name!r} is categorical and has no bounds.")
        return self.low, self.high

    @property
    def range_text(self) -> str:
        """The range in words: ``[0.1, 10] log`` or ``{rbf, poly}``."""
        if self.type == "categorical":
            return "{" + ", ".join(self.labels) + "}"
        scale = " log" if self.log else ""
        step = f" step {number_text(self.step)}" if self.step is not None else ""
        low, high = self.bounds
        return f"[{number_text(low)}, {number_text(high)}]{scale}{step}"

    @property
    def labels(self) -> tuple[str, ...]:
        """The choices as distinct texts; a text is quoted only where another choice reads the same."""
        others = {repr(choice) for choice in self.choices if not isinstance(choice, str)}
        return tuple(
            choice if isinstance(choice, str) and choice not in others else repr(choice) for choice in self.choices
        )

    def index(self, value: object) -> int | None:
        """Position of a value among the choices, types compared exactly; None if it is none of them."""
        for position, choice in enumerate(self.choices):
            if choice is value or (plain_type(choice) is plain_type(value) and choice == value):
                return position
        return None

    def problem(self, value: object) -> str | None:
        """Why a value is not allowed, as the end of a sentence such as "C is ..."; None if it is allowed."""
        if self.type == "categorical":
            if self.index(value) is not None:
                return None
            return f"is {value!r}{_type_note(value, self.choices)}, none of {self._listed()}"
        if self.type == "int" and plain_type(value) is not int:
            return f"is {value!r} ({type(value).__name__}), not an int in {self.range_text}"
        if plain_type(value) not in (int, float):
            return f"is {value!r} ({type(value).__name__}), not a number in {self.range_text}"
        number = cast("float", value)
        low, high = self.bounds
        if not low <= number <= high:
            return f"is {value!r}, outside {self.range_text}"
        if self.step is not None and off_grid(number, low, self.step) > _GRID_TOLERANCE:
            return f"is {value!r}, between the steps of {self.range_text}"
        return None

    def canonical(self, value: ConfigValue) -> ConfigValue:
        """The one spelling of a value: 1 and 1.0 of a float range are the same, as are -0.0 and 0.0."""
        if self.type == "categorical":
            position = self.index(value)
            return value if position is None else self.choices[position]
        if self.type == "float" and plain_type(value) in (int, float):
            return self._on_grid(float(cast("float", value))) + 0.0
        return value

    def nearest(self, value: object) -> ConfigValue:
        """The allowed value nearest to any value; the default where nothing is near.

        Near is judged on the hyperparameter's own scale: 2.4 of a logarithmic int range is 2, 2.46 is 3.
        Texts are never read as numbers, booleans never as 0 and 1.
        """
        value = plain(value)
        if self.problem(value) is None:
            return self.canonical(cast("ConfigValue", value))
        if self.type == "categorical":
            return self._equal_choice(value)
        if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
            return self.default
        low, high = self.bounds
        if not low < value < high:
            return self.canonical(low if value <= low else high)
        if self.type == "int":
            return self._nearest_int(value)
        return self.canonical(value)

    def sample(self, rng: np.random.Generator) -> ConfigValue:
        """A value drawn uniformly, on the logarithmic scale where ``log`` is set."""
        if self.type == "categorical":
            return self.choices[int(rng.integers(len(self.choices)))]
        low, high = self.bounds
        if self.type == "int":
            if self.log:
                drawn = math.exp(rng.uniform(math.log(low - 0.5), math.log(high + 0.5)))
                return min(max(round(drawn), int(low)), int(high))
            step = int(self.step or 1)
            return int(low) + step * int(rng.integers(n_steps(low, high, step) + 1))
        if self.step is not None:
            return self._at(int(rng.integers(n_steps(low, high, self.step) + 1)))
        if self.log:
            return min(max(math.exp(rng.uniform(math.log(low), math.log(high))), low), high)
        return min(max(float(rng.uniform(low, high)), low), high)

    def unit(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Numeric values on [0, 1], 0 at ``low`` and 1 at ``high``, logarithmic where ``log`` is set."""
        low, high = self.bounds
        if low == high:
            return np.zeros_like(values)
        if self.log:
            values, low, high = np.log(values), math.log(low), math.log(high)
        scaled: npt.NDArray[np.float64] = np.clip((values - low) / (high - low), 0.0, 1.0)
        return scaled

    def distribution(self) -> "optuna.distributions.BaseDistribution":
        """The same range as an Optuna distribution."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        if self.type == "categorical":
            return CategoricalDistribution(self.choices)
        low, high = self.bounds
        if self.type == "int":
            return IntDistribution(int(low), int(high), log=self.log, step=int(self.step or 1))
        return FloatDistribution(low, high, log=self.log, step=self.step)

    def suggest(self, trial: "optuna.trial.BaseTrial") -> ConfigValue:
        """Ask an Optuna trial for a value, under this name."""
        if self.type == "categorical":
            return trial.suggest_categorical(self.name, self.choices)
        low, high = self.bounds
        if self.type == "int":
            return trial.suggest_int(self.name, int(low), int(high), step=int(self.step or 1), log=self.log)
        return trial.suggest_float(self.name, low, high, step=self.step, log=self.log)

    def to_dict(self) -> dict[str, object]:
        """What a file says of it: only what is not left at its default, in the format's order."""
        entries: dict[str, object] = {"type": self.type}
        if self.type == "categorical":
            entries["choices"] = list(self.choices)
        else:
            entries |= {"low": self.low, "high": self.high}
            entries |= {"log": True} if self.log else {}
            entries |= {"step": self.step} if self.step is not None else {}
        entries["default"] = self.default
        entries |= {"before": self.before} if self.before is not None else {}
        if self.when:
            entries["when"] = {condition.parent: list(condition.values) for condition in self.when}
        if set(self.tasks) != set(TASK_TYPES):
            entries["tasks"] = list(self.tasks)
        return entries | ({"reference": self.reference} if self.reference else {})

    def _identity(self) -> str:
        return json.dumps([self.name, self.to_dict()])

    def _listed(self) -> str:
        shown = [repr(choice) for choice in self.choices]
        return ", ".join(shown) if len(shown) > 1 else f"the only choice {shown[0]}"

    def _on_grid(self, value: float) -> float:
        low, high = self.bounds
        if self.step is None or not math.isfinite(value):
            return value
        return self._at(min(max(round((value - low) / self.step), 0), n_steps(low, high, self.step)))

    def _at(self, position: int) -> float:
        """The float that people write for the value so many steps above ``low``: 0.3, not 3 * 0.1."""
        return float(Decimal(str(self.low)) + position * Decimal(str(self.step)))

    def _nearest_int(self, value: float) -> int:
        low, high = (int(bound) for bound in self.bounds)
        if self.log:
            below, above = math.floor(value), math.ceil(value)
            return below if value * value <= below * above else above
        step = int(self.step or 1)
        position = min(max(round((value - low) / step), 0), n_steps(low, high, step))
        return low + position * step

    def _equal_choice(self, value: object) -> ConfigValue:
        """The choice that equals a number of another numeric type (2.0 for 2); else the default."""
        if isinstance(value, int | float) and not isinstance(value, bool):
            for choice in self.choices:
                if plain_type(choice) in (int, float) and choice == value:
                    return choice
        return self.default


def _type_note(value: object, choices: tuple[ConfigValue, ...]) -> str:
    """The value's type, where it is what makes the difference."""
    try:
        confusing = any(value == choice or str(value) == str(choice) for choice in choices)
    except (TypeError, ValueError):
        confusing = False
    return f" ({type(value).__name__})" if confusing or not isinstance(value, str) else ""


def _normalise(one: Hyperparameter) -> None:
    """Plain Python values throughout, and floats in a float range, where a file may say 0 for 0.0."""
    for key in ("low", "high", "step", "default", "before"):
        value = plain(getattr(one, key))
        if one.type == "float" and plain_type(value) in (int, float):
            value = float(value)
        object.__setattr__(one, key, value)
    object.__setattr__(one, "choices", tuple(plain(choice) for choice in one.choices))
