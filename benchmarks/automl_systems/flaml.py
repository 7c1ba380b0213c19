"""FLAML, with the starting points that its package has learned from other tables.

``starting_points="data"`` reads JSON files of the package, so it needs no network; but it needs ``packaging``, which
the extra ``automl`` does not bring. FLAML drops a starting point that is outside the search space: on tables of a few
hundred rows all of LightGBM's and XGBoost's are, as there may be no more trees than rows.
"""

import importlib

from automl_systems._exchange import CORES, Stopwatch, answer, asked

LIBRARIES = ("FLAML", "lightgbm", "xgboost-cpu", "scikit-learn", "pandas")


def main() -> None:
    """Fit, predict, answer."""
    job = asked()
    X, y, test = job.tables()
    model = importlib.import_module("flaml").AutoML()
    clock = Stopwatch()
    model.fit(
        X_train=X,
        y_train=y,
        task="classification",
        metric="log_loss",
        time_budget=job.seconds,
        starting_points="data",
        n_jobs=CORES,
        seed=job.seed,
        verbose=3,
    )
    fit = clock.lap()
    probabilities = model.predict_proba(test)
    answer(job, model.classes_, probabilities, fit, clock.lap(), LIBRARIES, str(model.best_estimator))


if __name__ == "__main__":
    main()
