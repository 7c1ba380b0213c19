"""Syne Tune's three transfer methods that need one fidelity only: zero-shot, bounding box, quantile-based.

All run inside ``FIFOScheduler``, without initial points of its own, and with the settings of the authors' experiments
(``benchmarking/nursery/benchmark_automl/baselines.py`` of version 0.13.0).

Ordinals are integers here, their position among the choices. Syne Tune's own ordinal type counts as categorical: the
surrogate would see one-hot columns, and the bounding box would be a set instead of a range.
"""

from typing import Any

import numpy as np
import pandas as pd
from _protocol import Parameter, Task, serve
from syne_tune import config_space as cs
from syne_tune.backend.trial_status import Trial
from syne_tune.blackbox_repository.blackbox_surrogate import BlackboxSurrogate
from syne_tune.optimizer.schedulers import FIFOScheduler
from syne_tune.optimizer.schedulers.transfer_learning import BoundingBox, TransferLearningTaskEvaluations
from syne_tune.optimizer.schedulers.transfer_learning.quantile_based.quantile_based_searcher import (
    QuantileBasedSurrogateSearcher,
)
from syne_tune.optimizer.schedulers.transfer_learning.zero_shot import ZeroShotTransfer
from xgboost import XGBRegressor

METRIC = "loss"
CANDIDATES = 10_000
BEST_PER_TASK = 10


class SyneTune:
    """Asks and tells a Syne Tune scheduler, one trial at a time."""

    def __init__(self, scheduler: Any) -> None:
        self.scheduler = scheduler
        self.trial_id = -1
        self.config: dict[str, Any] = {}

    def ask(self) -> dict[str, float]:
        """The scheduler's suggestion."""
        self.trial_id += 1
        suggestion = self.scheduler.suggest(self.trial_id)
        if suggestion is None:
            raise RuntimeError(f"The scheduler must suggest n_trials configurations, but stopped at {self.trial_id}.")
        self.config = suggestion.config
        self.scheduler.on_trial_add(self._trial())
        return {name: float(code) for name, code in self.config.items()}

    def tell(self, loss: float) -> None:
        """Report the trial as complete."""
        self.scheduler.on_trial_complete(self._trial(), {METRIC: loss})

    def _trial(self) -> Trial:
        return Trial(trial_id=self.trial_id, config=self.config, creation_time=None)


def make(task: Task) -> SyneTune:
    """The scheduler of the task's method."""
    space = {one.name: domain(one) for one in task.space}
    tables = [(frame(task, source.codes), source.losses) for source in task.sources]
    if task.method == "bounding_box":
        return SyneTune(bounding_box(task, space, tables))
    if task.method == "zero_shot":
        searcher = zero_shot(task, space, tables)
    elif task.method == "quantile":
        searcher = quantile(task, space, tables)
    else:
        raise ValueError(f"method must be zero_shot, bounding_box or quantile, but got {task.method!r}.")
    return SyneTune(FIFOScheduler(space, searcher=searcher, metric=METRIC, mode="min", random_seed=task.seed))


def domain(parameter: Parameter) -> Any:
    """Syne Tune's domain of a parameter's codes."""
    low, high = parameter.low, parameter.high
    if parameter.type == "categorical":
        return cs.choice([str(i) for i in range(len(parameter.choices))])
    if parameter.type == "float":
        return cs.loguniform(low, high) if parameter.log else cs.uniform(low, high)
    log = parameter.log and not parameter.choices
    return cs.lograndint(int(low), int(high)) if log else cs.randint(int(low), int(high))


def frame(task: Task, codes: Any) -> pd.DataFrame:
    """Codes as a table: whole numbers are integers; categories are text, since Syne Tune takes no NumPy integers."""
    table = pd.DataFrame(codes, columns=[one.name for one in task.space])
    table = table.astype({one.name: "int64" for one in task.space if one.type != "float"})
    return table.astype({one.name: "str" for one in task.space if one.type == "categorical"})


def evaluations(space: dict[str, Any], tables: list[tuple[pd.DataFrame, Any]]) -> dict[str, Any]:
    """The sources in Syne Tune's record; losses of shape (configurations, 1 seed, 1 fidelity, 1 objective)."""
    return {
        str(i): TransferLearningTaskEvaluations(space, configs, [METRIC], np.reshape(losses, (-1, 1, 1, 1)))
        for i, (configs, losses) in enumerate(tables)
    }


def bounding_box(task: Task, space: dict[str, Any], tables: list[tuple[pd.DataFrame, Any]]) -> Any:
    """Random search within the range of the ten best configurations of each dataset (Perrone et al., 2019)."""
    return BoundingBox(
        scheduler_fun=lambda box, mode, metric: FIFOScheduler(
            box, searcher="random", metric=metric, mode=mode, points_to_evaluate=[], random_seed=task.seed
        ),
        config_space=space,
        metric=METRIC,
        mode="min",
        transfer_learning_evaluations=evaluations(space, tables),
        num_hyperparameters_per_task=BEST_PER_TASK,
    )


def quantile(task: Task, space: dict[str, Any], tables: list[tuple[pd.DataFrame, Any]]) -> Any:
    """Copula Thompson sampling: an XGBoost model of the Gaussianized ranks (Salinas et al., 2020)."""
    return QuantileBasedSurrogateSearcher(
        config_space=space,
        metric=METRIC,
        mode="min",
        transfer_learning_evaluations=evaluations(space, tables),
        random_seed=task.seed,
    )


def zero_shot(task: Task, space: dict[str, Any], tables: list[tuple[pd.DataFrame, Any]]) -> Any:
    """The list of configurations with the least mean rank of the best one (Wistuba et al., 2015).

    The method ranks configurations that all datasets share. Where the sources do not share them, Syne Tune imputes
    with XGBoost (``use_surrogates=True``), but draws other configurations for each dataset in versions up to 0.16, so
    that the ranks it averages belong to different configurations. The same imputation is done here on one draw. It
    draws 10,000 configurations, Syne Tune's number for six parameters or more; its 5**d would be 25 for two.
    """
    if not _shared(tables):
        tables = imputed(task, space, tables)
    return ZeroShotTransfer(
        config_space=space,
        metric=METRIC,
        mode="min",
        transfer_learning_evaluations=evaluations(space, tables),
        random_seed=task.seed,
    )


def _shared(tables: list[tuple[pd.DataFrame, Any]]) -> bool:
    first, *others = [configs.sort_values(list(configs.columns)).to_numpy() for configs, _ in tables]
    return all(np.array_equal(first, other) for other in others)


def imputed(task: Task, space: dict[str, Any], tables: list[tuple[pd.DataFrame, Any]]) -> list[Any]:
    """Every source's predicted losses of the same configurations, drawn from the space."""
    random_state = np.random.RandomState(task.seed)
    drawn = [{name: one.sample(random_state=random_state) for name, one in space.items()} for _ in range(CANDIDATES)]
    candidates = pd.DataFrame(drawn).drop_duplicates(ignore_index=True)
    predicted = []
    for configs, losses in tables:
        model = BlackboxSurrogate.make_model_pipeline(space, fidelity_space={}, model=XGBRegressor())
        model.fit(configs, losses)
        predicted.append((candidates, model.predict(candidates)))
    return predicted


if __name__ == "__main__":
    serve(make)
