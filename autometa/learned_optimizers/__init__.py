"""Optimizers that are themselves trained: rules, what they are trained on, meta-training, and a face like Adam's.

`RULES` knows the rules by name and `OPTIMIZEES` the kinds of problems; `autometa.testing.learned_optimizers` holds the
checks that every rule passes. Third parties join through the entry-point groups ``autometa.learned_optimizers`` and
``autometa.optimizees``: an `Entry` whose factory gives the class.
"""

from autometa.learned_optimizers._adam import LearnedAdam, LearnedAdamOptions
from autometa.learned_optimizers._base import LearnedOptimizer, RuleAbility, RuleOptions, Slots, State
from autometa.learned_optimizers._by_name import make_optimizees, meta_train_rule_by_name
from autometa.learned_optimizers._data import (
    DigitsConvNet,
    DigitsPerceptron,
    MNISTPerceptron,
    Network,
    Rows,
    TablePerceptron,
    problems_of,
    read_mnist,
    table_rows,
)
from autometa.learned_optimizers._evaluation import RATES, Curve, compare, late_loss
from autometa.learned_optimizers._keeping import load_rule, make_rule, save_rule, shipped_rule, shipped_rules
from autometa.learned_optimizers._layout import Layout, Params
from autometa.learned_optimizers._lstm import LSTM, LSTMOptions
from autometa.learned_optimizers._meta_learner_lstm import MetaLearner, MetaLearnerOptions
from autometa.learned_optimizers._problems import Batch, Optimizees, Problems, Split
from autometa.learned_optimizers._quadratic import Quadratic
from autometa.learned_optimizers._registry import OPTIMIZEES, RULES, optimizees_entry, rule_entry
from autometa.learned_optimizers._rnnprop import RNNProp, RNNPropOptions
from autometa.learned_optimizers._small_mlp import SmallMLP, SmallMLPOptions
from autometa.learned_optimizers._tables import dataset_rows
from autometa.learned_optimizers._torch_optimizer import LSTMOptimizer, TorchOptimizer
from autometa.learned_optimizers._training import (
    RuleLook,
    RuleRecipe,
    RuleTrained,
    RuleTraining,
    meta_train_rule,
)
from autometa.learned_optimizers._unroll import (
    BASELINES,
    Objective,
    Segment,
    advance,
    rollout,
    rollout_baseline,
    unroll,
)

__all__ = [
    "BASELINES",
    "LSTM",
    "OPTIMIZEES",
    "RATES",
    "RULES",
    "Batch",
    "Curve",
    "DigitsConvNet",
    "DigitsPerceptron",
    "LSTMOptimizer",
    "LSTMOptions",
    "Layout",
    "LearnedAdam",
    "LearnedAdamOptions",
    "LearnedOptimizer",
    "MNISTPerceptron",
    "MetaLearner",
    "MetaLearnerOptions",
    "Network",
    "Objective",
    "Optimizees",
    "Params",
    "Problems",
    "Quadratic",
    "RNNProp",
    "RNNPropOptions",
    "Rows",
    "RuleAbility",
    "RuleLook",
    "RuleOptions",
    "RuleRecipe",
    "RuleTrained",
    "RuleTraining",
    "Segment",
    "Slots",
    "SmallMLP",
    "SmallMLPOptions",
    "Split",
    "State",
    "TablePerceptron",
    "TorchOptimizer",
    "advance",
    "compare",
    "dataset_rows",
    "late_loss",
    "load_rule",
    "make_optimizees",
    "make_rule",
    "meta_train_rule",
    "meta_train_rule_by_name",
    "optimizees_entry",
    "problems_of",
    "read_mnist",
    "rollout",
    "rollout_baseline",
    "rule_entry",
    "save_rule",
    "shipped_rule",
    "shipped_rules",
    "table_rows",
    "unroll",
]
