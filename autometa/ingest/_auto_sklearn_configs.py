"""auto-sklearn's configurations in the terms of the space ``tabular``.

Only what is truly the same learner is brought over; nothing is guessed. What is left out or moved on the way
is named, so that a configuration without any such change is the one that was measured.

What auto-sklearn's components fix without publishing it (its source, version 0.15.0): forests and extra trees
have 512 trees, gradient boosting up to 512 rounds; the regressors ``libsvm_svr`` and ``sgd`` standardise
the target; ``max_features`` of the forests is an exponent for classifiers and a share for regressors; networks are
trained by Adam.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from autometa.errors import InvalidConfigError
from autometa.records import Config, ConfigValue
from autometa.spaces import SearchSpace

_N_TREES = 512
_N_ROUNDS = 512
_DEFAULT_GAMMA = 0.1  # of libsvm_svr with a sigmoid kernel, whose gamma auto-sklearn does not tune
_SCALING = {
    "standardize": "standard",
    "minmax": "minmax",
    "quantile_transformer": "quantile",
    "robust_scaler": "robust",
}
_CATEGORIES = "data_preprocessor:feature_type:categorical_transformer"
_NUMBERS = "data_preprocessor:feature_type:numerical_transformer"
# auto-sklearn gives these learners class weights or sample weights; on the others the setting has no effect.
_WEIGHTED = frozenset(("random_forest", "extra_trees", "gradient_boosting", "libsvm_svc", "sgd"))


@dataclass(frozen=True, slots=True)
class Facts:
    """What of a dataset decides how a configuration reads there."""

    n_rows: float
    n_features: float
    has_categories: bool
    has_missing: bool


@dataclass(frozen=True, slots=True)
class Translation:
    """A configuration inside the space, and the kinds of change that were made to it; none means mapped."""

    config: Config
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Untranslatable:
    """Why a configuration was dropped."""

    reason: str


@dataclass(slots=True)
class _Draft:
    """One configuration on its way: what was published, and what has become of it."""

    published: Mapping[str, ConfigValue]
    algorithm: str
    prefix: str
    facts: Facts
    changes: list[str] = field(default_factory=list)

    def get(self, name: str) -> ConfigValue:
        """A hyperparameter of the learner."""
        return self.published.get(f"{self.prefix}:{name}")

    def number(self, name: str) -> float:
        """A hyperparameter of the learner that is a number."""
        value = self.get(name)
        if not isinstance(value, int | float):
            raise InvalidConfigError(f"{self.prefix}:{name} is no number but {value!r}")
        return float(value)


def translate(row: Mapping[str, str], facts: Facts, space: SearchSpace) -> Translation | Untranslatable:
    """Bring one row of ``configurations.csv`` into the space.

    Args:
        row: Column names to texts; empty where the hyperparameter is inactive.
        facts: The dataset that the configuration was measured on.
        space: ``tabular``, for the task.
    """
    published = {name: real_value(text) for name, text in row.items() if text != ""}
    kind = "classifier" if "classifier:__choice__" in published else "regressor"
    algorithm = str(published.get(f"{kind}:__choice__"))
    draft = _Draft(published, algorithm, f"{kind}:{algorithm}", facts)
    learner = _LEARNERS.get(algorithm)
    if learner is None:
        return Untranslatable(f"{algorithm}: no such candidate")
    try:
        candidate, settings = learner(draft)
        for name, value in settings.items():
            if value is None:
                raise InvalidConfigError(f"no value for {name}")
        settings |= _scaling(draft, candidate) | _class_weight(draft, candidate, kind)
        _left_out(draft, candidate)
        config: Config = {"candidate": candidate, **{f"{candidate}.{k}": v for k, v in settings.items()}}
        inside = space.project(config)
    except InvalidConfigError as error:
        return Untranslatable(f"{algorithm}: {error}")
    draft.changes += _moves(config, inside)
    space.validate(inside)
    return Translation(inside, tuple(dict.fromkeys(draft.changes)))


def real_value(text: str) -> ConfigValue:
    """The value that a text in ``configurations.csv`` stands for: None, True and 3 rather than their names."""
    if text in ("None", "none_value"):
        return None
    if text in ("True", "False"):
        return text == "True"
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def _moves(config: Config, inside: Config) -> list[str]:
    """Names of the settings that lay outside the space's range."""
    return [
        f"moved into range: {name}"
        for name, value in config.items()
        if name not in inside or (inside[name] != value and not _close(inside[name], value))
    ]


def _close(a: ConfigValue, b: ConfigValue) -> bool:
    numbers = isinstance(a, int | float) and isinstance(b, int | float)
    return numbers and math.isclose(float(a), float(b), rel_tol=1e-9)  # type: ignore[arg-type]


def _random_forest(draft: _Draft) -> tuple[str, Config]:
    return "random_forest", _forest(draft)


def _extra_trees(draft: _Draft) -> tuple[str, Config]:
    return "extra_trees", _forest(draft)


def _forest(draft: _Draft) -> Config:
    config: Config = {
        "n_estimators": _N_TREES,
        "max_features_power": draft.number("max_features"),
        "min_samples_leaf": draft.get("min_samples_leaf"),
        "min_samples_split": draft.get("min_samples_split"),
        "bootstrap": draft.get("bootstrap"),
    }
    criterion = draft.get("criterion")
    if draft.prefix.startswith("classifier"):
        return {**config, "criterion": criterion}
    if criterion != "mse":
        draft.changes.append(f"split criterion left out: {criterion}")
    return {**config, "max_features_power": _power_of_share(draft)}


def _power_of_share(draft: _Draft) -> float:
    """The exponent p with n_features ** p = share * n_features on the dataset at hand."""
    share, n_features = draft.number("max_features"), draft.facts.n_features
    if share == 1.0 or n_features <= 1:
        return 1.0
    draft.changes.append("expressed otherwise: share of features as a power")
    return max(0.0, 1.0 + math.log(share) / math.log(n_features))


def _gradient_boosting(draft: _Draft) -> tuple[str, Config]:
    early_stop = draft.get("early_stop")
    if early_stop == "train":
        draft.changes.append("early stopping on the training loss left out")
    elif early_stop == "valid":
        draft.changes.append("early stopping in other details")
    return "hist_gradient_boosting", {
        "max_iter": _N_ROUNDS,
        "learning_rate": draft.get("learning_rate"),
        "max_leaf_nodes": draft.get("max_leaf_nodes"),
        "min_samples_leaf": draft.get("min_samples_leaf"),
        "l2_regularization": draft.get("l2_regularization"),
        "max_features": 1.0,
        "early_stopping": early_stop == "valid",
    }


def _support_vectors(draft: _Draft) -> tuple[str, Config]:
    kernel = draft.get("kernel")
    if kernel not in ("rbf", "poly", "sigmoid"):
        raise InvalidConfigError(f"no {kernel} kernel")
    gamma = draft.get("gamma")
    config: Config = {
        "C": draft.get("C"),
        "kernel": kernel,
        "gamma": _DEFAULT_GAMMA if gamma is None else gamma,
    }
    if kernel == "poly":
        config["degree"] = draft.get("degree")
    if kernel in ("poly", "sigmoid"):
        config["coef0"] = draft.get("coef0")
    if draft.prefix.startswith("regressor"):
        config["epsilon"] = draft.get("epsilon")
    return "svm", config


def _nearest_neighbors(draft: _Draft) -> tuple[str, Config]:
    return "k_nearest_neighbors", {name: draft.get(name) for name in ("n_neighbors", "weights", "p")}


def _neural_network(draft: _Draft) -> tuple[str, Config]:
    draft.changes.append("another architecture: mlp")
    return "mlp", {
        "n_blocks": draft.get("hidden_layer_depth"),
        "width": draft.get("num_nodes_per_layer"),
        "optimizer": "adamw",
        "learning_rate": draft.get("learning_rate_init"),
        "weight_decay": draft.get("alpha"),
    }


def _stochastic_gradient(draft: _Draft) -> tuple[str, Config]:
    """Linear models under the two losses that our linear candidates have.

    scikit-learn's SGD minimises mean loss + alpha * penalty, its logistic regression C * summed loss + penalty,
    so C = 1 / (alpha * n_rows); its ridge minimises summed squares + alpha * squared norm, and SGD's squared loss
    is half the square, so ridge's alpha is SGD's times n_rows.
    """
    loss, penalty, alpha = draft.get("loss"), draft.get("penalty"), draft.number("alpha")
    draft.changes.append("another solver: sgd")
    if loss == "log":
        config: Config = {"C": 1 / (alpha * draft.facts.n_rows), "penalty": penalty}
        if penalty == "elasticnet":
            config["l1_ratio"] = draft.get("l1_ratio")
        return "logistic_regression", config
    if loss == "squared_loss" and penalty == "l2":
        return "ridge", {"alpha": alpha * draft.facts.n_rows, "polynomial": False, "target": "identity"}
    raise InvalidConfigError(f"no {loss} loss" + (f" with {penalty} penalty" if loss == "squared_loss" else ""))


_LEARNERS: Mapping[str, Callable[[_Draft], tuple[str, Config]]] = {
    "extra_trees": _extra_trees,
    "gradient_boosting": _gradient_boosting,
    "k_nearest_neighbors": _nearest_neighbors,
    "libsvm_svc": _support_vectors,
    "libsvm_svr": _support_vectors,
    "mlp": _neural_network,
    "random_forest": _random_forest,
    "sgd": _stochastic_gradient,
}
_TREES = frozenset(("random_forest", "extra_trees", "hist_gradient_boosting"))
_SCALED = frozenset(("k_nearest_neighbors", "svm", "logistic_regression", "ridge"))


def _scaling(draft: _Draft, candidate: str) -> Config:
    """The scaling of the columns, where the candidate has a choice.

    Trees split the same way whatever the scale, except after ``normalize``, which scales rows. Our quantile
    scaling gives a normal distribution; our robust one clips smoothly, auto-sklearn's does not.
    """
    published = str(draft.published.get(f"{_NUMBERS}:rescaling:__choice__"))
    if candidate in _TREES:
        if published == "normalize":
            draft.changes.append("rescaling left out: normalize")
        return {}
    if candidate not in _SCALED:
        return {}
    if published not in _SCALING:
        draft.changes.append(f"rescaling exchanged: {published}")
        return {}
    output = draft.published.get(f"{_NUMBERS}:rescaling:quantile_transformer:output_distribution")
    if published == "robust_scaler" or output == "uniform":
        draft.changes.append(f"rescaling in other details: {published}")
    return {"scaling": _SCALING[published]}


def _class_weight(draft: _Draft, candidate: str, kind: str) -> Config:
    if kind == "regressor" or draft.algorithm not in _WEIGHTED:
        return {}
    balanced = draft.published.get("balancing:strategy") == "weighting"
    return {"class_weight": "balanced" if balanced else None}


def _left_out(draft: _Draft, candidate: str) -> None:
    """Name the steps before the learner that our candidates do differently on this dataset.

    Our forests take ordinal codes, boosted trees know categories and missing values natively, the others
    take one-hot codes and fill in medians.
    """
    step = draft.published.get("feature_preprocessor:__choice__")
    if step != "no_preprocessing":
        draft.changes.append(f"feature preprocessor left out: {step}")
    if draft.facts.has_categories:
        encoding = draft.published.get(f"{_CATEGORIES}:categorical_encoding:__choice__")
        ours = {"random_forest": "no_encoding", "extra_trees": "no_encoding"}
        if candidate in ("hist_gradient_boosting", "mlp") or encoding != ours.get(candidate, "one_hot_encoding"):
            draft.changes.append(f"categories coded otherwise: {encoding}")
        if draft.published.get(f"{_CATEGORIES}:category_coalescence:__choice__") == "minority_coalescer":
            draft.changes.append("merging of rare categories left out")
    if draft.facts.has_missing:
        strategy = draft.published.get(f"{_NUMBERS}:imputation:strategy")
        if candidate not in _SCALED or strategy != "median":
            draft.changes.append(f"missing values filled otherwise: {strategy}")
