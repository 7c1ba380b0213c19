"""SMAC3 that is told the sources' runs before its search, by the way its documentation calls warm starting.

The facade is the one for hyperparameter optimization: a random forest on log-scaled losses, expected improvement, one
random configuration in five; no initial design, since the told runs take its place. The forest learns from every trial
(``retrain_after=1``; the facade's 8 is meant for cheap functions and would leave a search of 25 trials three updates).

SMAC's history knows one function only, so losses have to be brought to one scale. Of every source, the best run is 0
and the median run 1. The target's best run so far is 0, and its unit is the median of the sources' units, since its own
median is unknown; its trials are told anew whenever a better one is found.

Whenever SMAC trains its forest, it asks it for every run that it knows, one at a time; here for all of them together,
which gives the same answer sooner. SMAC never proposes a configuration that it was told of.
"""

import logging
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from _protocol import Parameter, Source, Task, serve
from ConfigSpace import (
    CategoricalHyperparameter,
    Configuration,
    ConfigurationSpace,
    OrdinalHyperparameter,
    UniformFloatHyperparameter,
    UniformIntegerHyperparameter,
)
from smac import HyperparameterOptimizationFacade, Scenario
from smac.main.config_selector import ConfigSelector
from smac.runhistory.dataclasses import TrialInfo, TrialValue


class Selector(ConfigSelector):  # type: ignore[misc]
    """SMAC's own, but quicker with many runs."""

    def _get_x_best(self, X: Any) -> tuple[Any, float]:
        means = np.asarray(self._model.predict_marginalized(X)[0]).ravel()
        best = int(np.argmin(means))
        return X[best], means[best]


class Smac:
    """Asks and tells SMAC."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.space = ConfigurationSpace(seed=task.seed)
        self.space.add([hyperparameter(one) for one in task.space])
        self.folder = tempfile.TemporaryDirectory()
        self.smac = facade(self.space, task, Path(self.folder.name))
        self.unit = float(np.median([unit(one) for one in task.sources])) if task.sources else 1.0
        self.trials: list[tuple[Any, float]] = []
        self.asked: Any = None
        self.tell_sources()

    def tell_sources(self) -> None:
        """Tell the sources; a configuration of several of them gets its mean."""
        told: dict[tuple[float, ...], list[float]] = {}
        for source in self.task.sources:
            scaled = (source.losses - source.losses.min()) / unit(source)
            for codes, loss in zip(source.codes, scaled, strict=True):
                told.setdefault(tuple(codes), []).append(float(loss))
        for codes, losses in told.items():
            values = {one.name: own(one, code) for one, code in zip(self.task.space, codes, strict=True)}
            info = TrialInfo(Configuration(self.space, values=values), seed=0)
            self.smac.tell(info, TrialValue(cost=float(np.mean(losses))), save=False)

    def ask(self) -> dict[str, float]:
        """SMAC's next configuration."""
        self.asked = self.smac.ask()
        return {one.name: float(self.asked.config[one.name]) for one in self.task.space}

    def tell(self, loss: float) -> None:
        """Tell the trial, and those before it if it is the best so far."""
        improved = not self.trials or loss < min(known for _, known in self.trials)
        self.trials.append((self.asked, loss))
        best = min(known for _, known in self.trials)
        for info, known in self.trials if improved else self.trials[-1:]:
            self.smac.tell(info, TrialValue(cost=(known - best) / self.unit), save=False)


def facade(space: ConfigurationSpace, task: Task, folder: Path) -> Any:
    """The facade without initial design, logging and worker processes."""
    n_told = sum(len(source.losses) for source in task.sources)
    scenario = Scenario(
        space, deterministic=True, n_trials=n_told + 2 * task.n_trials, seed=task.seed, output_directory=folder
    )
    kind = HyperparameterOptimizationFacade
    return kind(
        scenario,
        lambda config, seed: 0.0,
        initial_design=kind.get_initial_design(scenario, n_configs=0),
        intensifier=kind.get_intensifier(scenario, max_config_calls=1),
        config_selector=Selector(scenario, retrain_after=1),
        logging_level=logging.ERROR,
        overwrite=True,
    )


def unit(source: Source) -> float:
    """The distance from a source's best loss to its median."""
    distance = float(np.median(source.losses) - source.losses.min())
    return distance if distance > 0 else max(float(np.ptp(source.losses)), 1e-12)


def own(parameter: Parameter, code: float) -> float | int:
    """A code as ConfigSpace wants it."""
    return float(code) if parameter.type == "float" else round(code)


def hyperparameter(parameter: Parameter) -> Any:
    """ConfigSpace's hyperparameter for a parameter's codes."""
    name, low, high = parameter.name, parameter.low, parameter.high
    if parameter.type == "categorical":
        return CategoricalHyperparameter(name, range(len(parameter.choices)))
    if parameter.type == "ordinal":
        return OrdinalHyperparameter(name, range(len(parameter.choices)))
    if parameter.type == "int":
        return UniformIntegerHyperparameter(name, int(low), int(high), log=parameter.log)
    return UniformFloatHyperparameter(name, low, high, log=parameter.log)


if __name__ == "__main__":
    serve(Smac)
