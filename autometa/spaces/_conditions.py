"""When hyperparameters are active: conditions on their parents, and through them on all ancestors."""

from collections.abc import Mapping, Sequence

from autometa.records import ConfigValue
from autometa.spaces._hyperparameter import Condition, Hyperparameter
from autometa.spaces._rules import RuleError, did_you_mean

Values = tuple[ConfigValue, ...]

_MOST_KNOWN = 4096


class Requirements:
    """What every hyperparameter needs of all its ancestors.

    Conditions only ever join with "and", so a hyperparameter is active exactly where each ancestor has one
    of a set of values, and that set is found once.
    """

    def __init__(self, hyperparameters: Sequence[Hyperparameter]) -> None:
        """Parents must come before their children."""
        self._needs: dict[str, dict[str, Values]] = {}
        for one in hyperparameters:
            self._needs[one.name] = merge_conditions(one.when, self._needs)
        groups: dict[tuple[tuple[str, Values], ...], int] = {}  # many hyperparameters need the same
        self._group = {
            name: groups.setdefault(tuple(needs.items()), len(groups)) for name, needs in self._needs.items()
        }
        self._groups = [dict(needs) for needs in groups]
        self._known: dict[tuple[bool, ...], tuple[str, ...]] = {}

    def hold(self, name: str, config: Mapping[str, object]) -> bool:
        """Whether a hyperparameter is active in a configuration."""
        return _met(self._needs[name], config)

    def active(self, config: Mapping[str, object]) -> tuple[str, ...]:
        """Names of the active hyperparameters, in order."""
        met = tuple([_met(needs, config) for needs in self._groups])
        names = self._known.get(met)
        if names is None:
            names = tuple(name for name, group in self._group.items() if met[group])
            if len(self._known) < _MOST_KNOWN:
                self._known[met] = names
        return names

    def needs(self, name: str) -> Mapping[str, Values]:
        """The values that each ancestor may have where a hyperparameter is active."""
        return self._needs[name]

    def involve(self, name: str, ancestor: str) -> bool:
        """Whether a hyperparameter is active only for some values of another."""
        return ancestor in self._needs[name]


def _met(needs: Mapping[str, Values], config: Mapping[str, object]) -> bool:
    for ancestor, values in needs.items():  # noqa: SIM110  (a generator is slower, and this is the inner loop)
        if ancestor not in config or config[ancestor] not in values:
            return False
    return True


def merge_conditions(conditions: Sequence[Condition], needs: Mapping[str, Mapping[str, Values]]) -> dict[str, Values]:
    """What conditions and those of the parents ask of every ancestor; an empty tuple cannot be met."""
    merged: dict[str, Values] = {}
    for condition in conditions:
        asked = {**needs[condition.parent], condition.parent: condition.values}
        for ancestor, values in asked.items():
            known = merged.get(ancestor, values)
            merged[ancestor] = tuple(value for value in known if value in values)
    return merged


def check_conditions(hyperparameters: Sequence[Hyperparameter]) -> None:
    """Check that names differ, parents come first, and every hyperparameter can be active.

    Raises:
        RuleError: One of these fails.
    """
    known: dict[str, Hyperparameter] = {}
    needs: dict[str, dict[str, Values]] = {}
    all_names = [one.name for one in hyperparameters]
    for one in hyperparameters:
        path = ("hyperparameters", one.name)
        if one.name in known:
            raise RuleError(f"a name may stand there once, but got {one.name!r} again.", path)
        for condition in one.when:
            _check_condition(one, condition, known, all_names)
        needs[one.name] = merge_conditions(one.when, needs)
        for ancestor, values in needs[one.name].items():
            if not values:
                raise RuleError(
                    f"it can never be active: its conditions and those of its parents ask {ancestor} for "
                    "different values.",
                    (*path, "when"),
                )
        known[one.name] = one


def _check_condition(
    one: Hyperparameter, condition: Condition, known: Mapping[str, Hyperparameter], all_names: Sequence[str]
) -> None:
    path = ("hyperparameters", one.name, "when", condition.parent)
    if condition.parent not in known:
        if condition.parent == one.name:
            raise RuleError(f"a hyperparameter cannot depend on itself, but {one.name!r} does.", path)
        if condition.parent in all_names:
            raise RuleError(
                f"a parent comes before its children, but {condition.parent!r} comes after {one.name!r}. "
                "Move it up; if it depends on this one in turn, cut the circle.",
                path,
            )
        raise RuleError(
            f"there is no hyperparameter {condition.parent!r}.{did_you_mean(condition.parent, all_names)}", path
        )
    parent = known[condition.parent]
    if parent.type == "float":
        raise RuleError(f"conditions hang on categorical or int parents, but {parent.name!r} is a float.", path)
    if not condition.values:
        raise RuleError(f"a condition needs at least one value of {parent.name!r}.", path)
    for position, value in enumerate(condition.values):
        problem = parent.problem(value)
        if problem is not None:
            hint = did_you_mean(value, parent.labels)
            raise RuleError(f"{parent.name} can never have that value: it {problem}.{hint}", (*path, position))
