"""AutoGluon's best quality. What is not installed, it leaves out by itself, and says so in its log.

Its check for stacked overfitting takes a quarter of the time. Where no model is done by then, the fit raises an error;
as its log advises, the rest of the time is then used without that check. AutoGluon takes no seed.
"""

import importlib
import time
from typing import Any

import pandas as pd
from automl_systems._exchange import CORES, Job, Stopwatch, answer, asked

LIBRARIES = ("autogluon.tabular", "lightgbm", "xgboost-cpu", "catboost", "torch", "scikit-learn", "pandas")


def fitted(job: Job, table: pd.DataFrame, name: str, seconds: float, **options: Any) -> Any:
    """A predictor of its own folder."""
    predictor = importlib.import_module("autogluon.tabular").TabularPredictor
    made = predictor(label=job.target, eval_metric="log_loss", path=str(job.out.parent / name))
    return made.fit(table, presets="best_quality", time_limit=seconds, num_cpus=CORES, num_gpus=0, **options)


def main() -> None:
    """Fit, predict, answer."""
    job = asked()
    X, y, test = job.tables()
    table = X.assign(**{job.target: y})
    importlib.import_module("autogluon.tabular")
    clock, began, note = Stopwatch(), time.monotonic(), ""
    try:
        model = fitted(job, table, "model", job.seconds)
    except AssertionError:
        left = job.seconds - (time.monotonic() - began)
        model, note = fitted(job, table, "again", left, dynamic_stacking=False), "without its check of stacking"
    fit = clock.lap()
    found = model.predict_proba(test)
    predict = clock.lap()
    answer(job, list(found.columns), found.to_numpy(), fit, predict, LIBRARIES, note or str(model.model_best))


if __name__ == "__main__":
    main()
