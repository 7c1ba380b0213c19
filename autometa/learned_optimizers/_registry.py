"""Rules and kinds of optimizees by name."""

import inspect
from typing import Any

from autometa.learned_optimizers._adam import LearnedAdam
from autometa.learned_optimizers._base import LearnedOptimizer
from autometa.learned_optimizers._data import DigitsConvNet, DigitsPerceptron, MNISTPerceptron, TablePerceptron
from autometa.learned_optimizers._lstm import LSTM
from autometa.learned_optimizers._meta_learner_lstm import MetaLearner
from autometa.learned_optimizers._problems import Optimizees
from autometa.learned_optimizers._quadratic import Quadratic
from autometa.learned_optimizers._rnnprop import RNNProp
from autometa.learned_optimizers._small_mlp import SmallMLP
from autometa.registry import Entry, Registry

RULES: Registry[type[LearnedOptimizer[Any]]] = Registry("learned optimizer", group="autometa.learned_optimizers")
OPTIMIZEES: Registry[type[Optimizees]] = Registry("kind of optimizees", group="autometa.optimizees")


def rule_entry(member: type[LearnedOptimizer[Any]]) -> Entry[type[LearnedOptimizer[Any]]]:
    """The registry entry of a rule: the first line of its docstring, its paper, and what it reads as tags."""
    tags: dict[str, str | bool] = {"inputs": member.ability.inputs, "needs_loss": member.ability.needs_loss}
    return Entry(member.name, lambda: member, _first_line(member), member.ability.paper, tags)


def optimizees_entry(member: type[Optimizees]) -> Entry[type[Optimizees]]:
    """The registry entry of a kind of optimizees."""
    return Entry(member.name, lambda: member, _first_line(member))


def _first_line(member: type) -> str:
    return (inspect.getdoc(member) or "").partition("\n")[0].removesuffix(".")


for _rule in (LSTM, LearnedAdam, MetaLearner, RNNProp, SmallMLP):
    RULES.register(rule_entry(_rule))
for _kind in (DigitsConvNet, DigitsPerceptron, MNISTPerceptron, Quadratic, TablePerceptron):
    OPTIMIZEES.register(optimizees_entry(_kind))
