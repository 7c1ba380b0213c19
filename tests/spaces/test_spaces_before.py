"""Hyperparameters that were added to a space after runs had been made in it."""

from typing import Any

import pytest

from autometa.errors import InvalidConfigError, SpaceError
from autometa.spaces import SearchSpace, load_space, space_names

ENTRIES: dict[str, Any] = {
    "name": "network",
    "hyperparameters": {
        "width": {"type": "int", "low": 1, "high": 9, "default": 5},
        "optimizer": {
            "type": "categorical",
            "choices": ["sgd", "adam", "learned"],
            "default": "learned",
            "before": "sgd",
        },
        "rate": {"type": "float", "low": 0, "high": 1, "default": 0.5, "when": {"optimizer": ["sgd", "adam"]}},
        "momentum": {"type": "float", "low": 0, "high": 1, "default": 0.9, "before": 0, "when": {"optimizer": ["sgd"]}},
    },
}
SPACE = SearchSpace.from_dict(ENTRIES)
OLD = {"width": 3, "rate": 0.25}
TODAY = {"width": 3, "optimizer": "sgd", "rate": 0.25, "momentum": 0.0}


def changed(**change: Any) -> SearchSpace:
    optimizer = {**ENTRIES["hyperparameters"]["optimizer"], **change}
    return SearchSpace.from_dict(
        {"name": "network", "hyperparameters": {**ENTRIES["hyperparameters"], "optimizer": optimizer}}
    )


def test_an_old_row_has_what_was_so_before_and_keeps_what_depends_on_it() -> None:
    assert SPACE.from_row(OLD) == TODAY
    assert SPACE.from_row({**OLD, "optimizer": None, "momentum": float("nan")}) == TODAY
    assert SPACE.from_row({"width": 3, "optimizer": "learned", "rate": None}) == {"width": 3, "optimizer": "learned"}
    assert SPACE.from_row({"width": None, "rate": 0.25}) == {name: TODAY[name] for name in TODAY if name != "width"}


def test_an_old_configuration_is_brought_up_to_date_and_a_new_one_stays() -> None:
    assert SPACE.up_to_date(OLD) == TODAY
    assert SPACE.up_to_date(TODAY) == TODAY
    assert OLD == {"width": 3, "rate": 0.25}
    new = {"width": 3, "optimizer": "learned"}
    assert SPACE.up_to_date(new) == new
    assert SPACE.up_to_date({"optimizer": "adam"}) == {"optimizer": "adam"}  # nothing else is filled in


def test_what_was_so_before_is_no_default() -> None:
    assert SPACE.default() == {"width": 5, "optimizer": "learned"}
    assert SPACE.project({}) == SPACE.default()
    with pytest.raises(InvalidConfigError, match="optimizer is missing"):
        SPACE.validate(OLD)


def test_it_is_written_and_read_and_makes_another_space() -> None:
    assert SPACE.to_dict() == ENTRIES | {"hyperparameters": SPACE.to_dict()["hyperparameters"]}
    assert SearchSpace.from_dict(SPACE.to_dict()) == SPACE
    assert SPACE["momentum"].before == 0.0
    assert changed(before="adam") != SPACE
    assert changed(before=None)["optimizer"].before is None


def test_a_part_without_it_does_not_take_old_runs_for_its_own() -> None:
    part = SPACE.restrict({"optimizer": ["adam", "learned"]})
    assert part.from_row(OLD)["optimizer"] == "sgd"
    assert SearchSpace.from_dict(part.to_dict()) == part


def test_a_value_that_is_none_is_refused() -> None:
    with pytest.raises(SpaceError, match=r"before must be true, false, a number or a text, but got \['sgd'\]"):
        changed(before=["sgd"])


def test_members_keep_it_under_their_prefix() -> None:
    whole = SearchSpace.compose("all", [SPACE], choice="model")
    old = {"model": "network", **{f"network.{name}": value for name, value in OLD.items()}}
    assert whole.strip(whole.from_row(old)) == TODAY
    assert whole.up_to_date({"model": "other"}) == {"model": "other"}


@pytest.mark.parametrize("name", space_names())
def test_in_the_shipped_spaces_it_is_a_value_of_the_space(name: str) -> None:
    for one in load_space(name).hyperparameters:
        assert one.before is None or one.problem(one.before) is None


def test_old_configurations_of_the_mlp_were_trained_by_adamw() -> None:
    space = load_space("tabular", task="binary")
    default = space.project({"candidate": "mlp"})
    old = {name: value for name, value in default.items() if name != "mlp.optimizer"}
    assert default["mlp.optimizer"] == space.from_row(old)["mlp.optimizer"] == "adamw"
    assert space.from_row(old) == space.up_to_date(old) == default
    learned = space.project({**default, "mlp.optimizer": "learned"})
    assert set(default) - set(learned) == {"mlp.learning_rate"}
    assert "mlp.learning_rate" in space.project({**default, "mlp.optimizer": "sgd"})
