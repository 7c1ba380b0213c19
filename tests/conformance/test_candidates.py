"""Every candidate against every check, and every check against a candidate that deserves to fail it."""

import inspect
import warnings
from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import Pipeline, make_pipeline

import autometa.candidates
import autometa.testing.candidates as suite
from autometa.candidates import CANDIDATES, Candidate, KNearestNeighbors, LogisticRegression
from autometa.datasets import TableSchema
from autometa.records import Config, TaskType
from autometa.testing.candidates import CHECKS, Make

Check = Callable[[Make], None]


def installed(name: str) -> pytest.MarkDecorator:
    missing = not CANDIDATES.create(name).available()
    return pytest.mark.skipif(missing, reason=f"{name} needs pip install 'autometa[boosting]'")


MATRIX = [
    pytest.param(name, check, id=f"{name}-{check.__name__.removeprefix('check_')}", marks=installed(name))
    for name in CANDIDATES.names()
    for check in CHECKS
]


@pytest.mark.parametrize(("name", "check"), MATRIX)
def test_candidate(name: str, check: Check) -> None:
    check(lambda: CANDIDATES.create(name))


class Liar(KNearestNeighbors):
    """An honest candidate, for a subclass to spoil."""

    tasks: ClassVar[frozenset[TaskType]] = frozenset(("binary",))

    def build(self, config: Config, *, schema: TableSchema, seed: int, n_threads: int = 1) -> Pipeline:
        honest = super().build(config, schema=schema, seed=seed, n_threads=n_threads)
        return self.spoil(honest, schema)

    def spoil(self, pipeline: Pipeline, schema: TableSchema) -> Pipeline:
        return pipeline


class Replaced(Liar):
    """Puts another model into the pipeline."""

    def spoil(self, pipeline: Pipeline, schema: TableSchema) -> Pipeline:
        return Pipeline([("prepare", pipeline["prepare"]), ("model", self.another(pipeline["model"]))])

    def another(self, model: BaseEstimator) -> BaseEstimator:
        raise NotImplementedError


class Spoilt(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Passes everything on to an honest model."""

    def __init__(self, model: BaseEstimator) -> None:
        self.model = model

    def fit(self, X: Any, y: Any) -> Self:
        self.model.fit(X, y)
        self.classes_ = self.model.classes_
        return self

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        return np.asarray(self.model.predict_proba(X))

    def predict(self, X: Any) -> npt.NDArray[Any]:
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])


class NoisyModel(Spoilt):
    def fit(self, X: Any, y: Any) -> Self:
        warnings.warn("The solver did not converge.", UserWarning, stacklevel=2)
        return super().fit(X, y)


class GivesNan(Spoilt):
    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        return super().predict_proba(X) * np.nan


class DrawsAfresh(Spoilt):
    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        noise = np.random.default_rng().random(X.shape[0])
        return np.asarray(super().predict_proba(X) + np.column_stack([noise, -noise]))


class MovesGlobalState(Spoilt):
    def fit(self, X: Any, y: Any) -> Self:
        np.random.random()
        return super().fit(X, y)


class LooksAtOtherRows(Spoilt):
    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        values = super().predict_proba(X)
        return np.asarray((values + values.mean(axis=0)) / 2)


class ChangesItsParameters(Spoilt):
    def fit(self, X: Any, y: Any) -> Self:
        self.model = DummyClassifier().fit(X, y)
        self.classes_ = self.model.classes_
        return self


class DoesNotSumToOne(Spoilt):
    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        return super().predict_proba(X) * 0.9


class AllClassesAlways(Spoilt):
    def fit(self, X: Any, y: Any) -> Self:
        super().fit(X, y)
        self.classes_ = np.arange(3)
        return self

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        values = super().predict_proba(X)
        return np.pad(values, [(0, 0), (0, 3 - values.shape[1])])


class WritesIntoX(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        self.fitted_ = True
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        X.loc[:, "size"] = 0.0
        return X


class Noisy(Replaced):
    def another(self, model: BaseEstimator) -> BaseEstimator:
        return NoisyModel(model)


class Undefined(Replaced):
    def another(self, model: BaseEstimator) -> BaseEstimator:
        return GivesNan(model)


class Random(Replaced):
    def another(self, model: BaseEstimator) -> BaseEstimator:
        return DrawsAfresh(model)


class Moving(Replaced):
    def another(self, model: BaseEstimator) -> BaseEstimator:
        return MovesGlobalState(model)


class Transductive(Replaced):
    def another(self, model: BaseEstimator) -> BaseEstimator:
        return LooksAtOtherRows(model)


class Unclonable(Replaced):
    def another(self, model: BaseEstimator) -> BaseEstimator:
        return ChangesItsParameters(model)


class Unnormalised(Replaced):
    def another(self, model: BaseEstimator) -> BaseEstimator:
        return DoesNotSumToOne(model)


class Padded(Replaced):
    tasks: ClassVar[frozenset[TaskType]] = frozenset(("multiclass",))

    def another(self, model: BaseEstimator) -> BaseEstimator:
        return AllClassesAlways(model)


class Untrusted(Replaced):
    def another(self, model: BaseEstimator) -> BaseEstimator:
        return Spoilt(model)


class Ignorant(Replaced):
    def another(self, model: BaseEstimator) -> BaseEstimator:
        return DummyClassifier()


class Greedy(Replaced):
    def another(self, model: BaseEstimator) -> BaseEstimator:
        return model.set_params(settings={**model.get_params()["settings"], "n_jobs": -1})


class Vandal(Liar):
    def spoil(self, pipeline: Pipeline, schema: TableSchema) -> Pipeline:
        first = make_pipeline(WritesIntoX(), pipeline["prepare"])
        return Pipeline([("prepare", first), ("model", pipeline["model"])])


class IgnoresScaling(KNearestNeighbors):
    def prepare(self, config: Config, *, schema: TableSchema, seed: int) -> ColumnTransformer:
        return super().prepare({**config, "scaling": "standard"}, schema=schema, seed=seed)


class TakesAnything(KNearestNeighbors):
    def build(self, config: Config, *, schema: TableSchema, seed: int, n_threads: int = 1) -> Pipeline:
        known = self.space_for(schema.task).project(config)
        return super().build(known, schema=schema, seed=seed, n_threads=n_threads)


class TakesAnyTask(KNearestNeighbors):
    tasks: ClassVar[frozenset[TaskType]] = frozenset(("binary",))

    def build(self, config: Config, *, schema: TableSchema, seed: int, n_threads: int = 1) -> Pipeline:
        return KNearestNeighbors().build(config, schema=schema, seed=seed, n_threads=n_threads)


class NumbersOnly(Liar):
    """Hands numbers on as they are, missing ones too, and knows nothing else."""

    def spoil(self, pipeline: Pipeline, schema: TableSchema) -> Pipeline:
        prepare = ColumnTransformer([("numeric", "passthrough", schema.names("numeric"))])
        return Pipeline([("prepare", prepare), ("model", pipeline["model"])])


class WeighsHonestly(LogisticRegression):
    """An honest candidate that takes weights, for a subclass to spoil."""

    tasks: ClassVar[frozenset[TaskType]] = frozenset(("binary", "multiclass"))

    def model(self, config: Config, *, schema: TableSchema, seed: int, n_threads: int) -> BaseEstimator:
        return Weighs(super().model(config, schema=schema, seed=seed, n_threads=n_threads), self.change)

    @staticmethod
    def change(weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64] | None:
        return weights


class Weighs(Spoilt):
    """Changes weights before it passes them on."""

    def __init__(self, model: BaseEstimator, change: Callable[..., Any]) -> None:
        super().__init__(model)
        self.change = change

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        self.model.fit(X, y, sample_weight=None if sample_weight is None else self.change(sample_weight))
        self.classes_ = self.model.classes_
        return self


class WeighsByPosition(WeighsHonestly):
    @staticmethod
    def change(weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.asarray(weights * np.linspace(0.0, 1.0, len(weights)) ** 20)


class IgnoresWeights(WeighsHonestly):
    @staticmethod
    def change(weights: npt.NDArray[np.float64]) -> None:
        return None


class RaisesZeros(WeighsHonestly):
    @staticmethod
    def change(weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.asarray(weights + 0.1 * weights.mean())


class TakesAbsoluteWeights(WeighsHonestly):
    @staticmethod
    def change(weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.resize(np.nan_to_num(np.abs(weights)) + 1e-3, 72)


class IgnoresWeightsWithoutSayingSo(Liar):
    def spoil(self, pipeline: Pipeline, schema: TableSchema) -> Pipeline:
        return Pipeline([("prepare", pipeline["prepare"]), ("model", Deaf(pipeline["model"]))])


class Deaf(Spoilt):
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        return super().fit(X, y)


class Timed(Spoilt):
    """Stops at a limit with what it has, and says so; the longer it took, the surer it is."""

    repeats: ClassVar[bool] = True
    says: ClassVar[Any] = 1

    def __init__(
        self, model: BaseEstimator, time_limit: float | None = None, replay: dict[str, int] | None = None
    ) -> None:
        super().__init__(model)
        self.time_limit = time_limit
        self.replay = replay

    def fit(self, X: Any, y: Any) -> Self:
        limited = {} if self.time_limit is None else {"rounds": self.says}
        self.training_record_ = limited if self.replay is None else self.replay
        self.sure_ = 1.0 / (1 + self.training_record_.get("rounds", 0)) if self.repeats or limited else 1.0
        return super().fit(X, y)

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        values = super().predict_proba(X)
        return np.asarray(self.sure_ * values + (1 - self.sure_) / values.shape[1])


class ForgetsWhereItStopped(Timed):
    repeats: ClassVar[bool] = False


class SaysNothing(Timed):
    says: ClassVar[Any] = 0

    def fit(self, X: Any, y: Any) -> Self:
        super().fit(X, y)
        self.training_record_ = {}
        return self


class SaysItInFractions(Timed):
    says: ClassVar[Any] = 0.5


class TimedHonestly(Replaced):
    def another(self, model: BaseEstimator) -> BaseEstimator:
        return Timed(model)


class TimedForgetfully(Replaced):
    def another(self, model: BaseEstimator) -> BaseEstimator:
        return ForgetsWhereItStopped(model)


class TimedSilently(Replaced):
    def another(self, model: BaseEstimator) -> BaseEstimator:
        return SaysNothing(model)


class TimedInFractions(Replaced):
    def another(self, model: BaseEstimator) -> BaseEstimator:
        return SaysItInFractions(model)


LIARS: list[tuple[type[Candidate], Check, str]] = [
    (Noisy, suite.check_configs_fit, "did not converge"),
    (Undefined, suite.check_configs_fit, "predicts NaN"),
    (IgnoresScaling, suite.check_every_hyperparameter_matters, "scaling has no effect"),
    (TakesAnything, suite.check_bad_configs_raise, "must raise InvalidConfigError"),
    (TakesAnyTask, suite.check_bad_configs_raise, "must raise OptionError"),
    (Random, suite.check_same_seed_same_predictions, "another binary prediction"),
    (Moving, suite.check_same_seed_same_predictions, "global random state"),
    (NumbersOnly, suite.check_hard_tables, "contains NaN"),
    (NumbersOnly, suite.check_column_kinds, "contains NaN"),
    (Transductive, suite.check_fit_and_predict_are_pure, "Not equal to tolerance"),
    (Vandal, suite.check_fit_and_predict_are_pure, "DataFrame.iloc"),
    (Unclonable, suite.check_clone, "changes the parameters"),
    (Untrusted, suite.check_skops_round_trip, "not trusted"),
    (Unnormalised, suite.check_probabilities, "Not equal to tolerance"),
    (Padded, suite.check_probabilities, "Arrays are not equal"),
    (Greedy, suite.check_threads, "n_jobs is -1"),
    (Ignorant, suite.check_learns, "of an easy binary table right"),
    (WeighsByPosition, suite.check_equal_weights_are_no_weights, "Weights near 7 move binary predictions"),
    (IgnoresWeights, suite.check_weights_matter, "do not decide between contradictory binary rows"),
    (RaisesZeros, suite.check_rows_of_weight_zero_do_not_decide, "binary rows of weight 0 decide"),
    (TakesAbsoluteWeights, suite.check_weights_are_taken_or_refused, "must raise"),
    (IgnoresWeightsWithoutSayingSo, suite.check_weights_are_taken_or_refused, "must raise"),
    (TimedForgetfully, suite.check_a_limited_fit_can_be_repeated, "is another"),
    (TimedSilently, suite.check_a_limited_fit_can_be_repeated, "leaves no record"),
    (TimedInFractions, suite.check_a_limited_fit_can_be_repeated, "must hold integers"),
]


@pytest.mark.parametrize(
    ("liar", "check", "why"), [pytest.param(*row, id=f"{row[0].__name__}-{row[1].__name__}") for row in LIARS]
)
def test_check_rejects_its_liar(liar: type[Candidate], check: Check, why: str) -> None:
    with pytest.raises((AssertionError, ValueError, UserWarning), match=why):
        check(liar)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_honest_candidate_behind_the_liars_passes(check: Check) -> None:
    check(Liar)


@pytest.mark.parametrize(
    ("honest", "check"),
    [
        (WeighsHonestly, suite.check_equal_weights_are_no_weights),
        (WeighsHonestly, suite.check_weights_matter),
        (WeighsHonestly, suite.check_rows_of_weight_zero_do_not_decide),
        (WeighsHonestly, suite.check_weights_are_taken_or_refused),
        (TimedHonestly, suite.check_a_limited_fit_can_be_repeated),
    ],
)
def test_the_honest_candidates_with_weights_and_with_a_limit_pass(honest: type[Candidate], check: Check) -> None:
    check(honest)


def test_every_check_has_a_liar() -> None:
    assert {check for _, check, _ in LIARS} == set(CHECKS)


def test_every_check_is_run() -> None:
    named = {value for name, value in vars(suite).items() if name.startswith("check_")}
    assert named == set(CHECKS)


def test_every_candidate_class_is_registered() -> None:
    exported = {getattr(autometa.candidates, name) for name in autometa.candidates.__all__}
    members = {one for one in exported if inspect.isclass(one) and issubclass(one, Candidate) and one is not Candidate}
    assert members == {type(CANDIDATES.create(name)) for name in CANDIDATES.names()}
    assert len(MATRIX) == len(members) * len(CHECKS)
