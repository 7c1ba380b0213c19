"""LightGBM as it comes: no search, no early stopping; columns of words are given as categories."""

import pandas as pd
from automl_systems._exchange import CORES, Stopwatch, answer, asked
from lightgbm import LGBMClassifier


def main() -> None:
    """Fit, predict, answer."""
    job = asked()
    X, y, test = job.tables()
    clock = Stopwatch()
    for name in X.select_dtypes(exclude="number").columns:
        kind = pd.CategoricalDtype(sorted(X[name].dropna().unique()))
        X[name], test[name] = X[name].astype(kind), test[name].astype(kind)
    model = LGBMClassifier(n_jobs=CORES, random_state=job.seed, verbosity=-1).fit(X, y)
    fit = clock.lap()
    probabilities = model.predict_proba(test)
    answer(job, model.classes_, probabilities, fit, clock.lap(), ("lightgbm", "scikit-learn", "pandas"), "")


if __name__ == "__main__":
    main()
