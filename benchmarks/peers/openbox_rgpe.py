"""OpenBox's transfer learning: a ranking-weighted ensemble of one surrogate per dataset (RGPE).

The advisor is OpenBox's default one with ``transfer_learning_history``: three first configurations from the sources'
best (``warm_start_strategy="topk"``), expected improvement, one random configuration in ten. It standardizes each
source's losses itself. Method ``gp`` is ``tlbo_rgpe_gp``, Gaussian processes as in the paper; ``prf`` is
``tlbo_rgpe_prf``, random forests, which OpenBox picks by itself where most parameters are categorical.

OpenBox fits one exact Gaussian process per source and asks all of them for every candidate, so it needs sources of few
runs.

Ordinals are integers here, their position among the choices. OpenBox scales integers to [0, 1], but not ordinals, whose
length scale it bounds all the same by 1.09: neighbours among ten choices would hardly know of each other.
"""

from typing import Any

import numpy as np
from _protocol import Parameter, Source, Task, serve
from openbox import Advisor, History, Observation
from openbox import space as sp
from openbox.utils.constants import SUCCESS

SURROGATES = {"gp": "tlbo_rgpe_gp", "prf": "tlbo_rgpe_prf"}
QUIET = {"stream": False}


class OpenBox:
    """Asks and tells OpenBox's advisor."""

    def __init__(self, task: Task) -> None:
        # The ensemble's weights are sampled with NumPy's global generator.
        np.random.seed(task.seed)
        self.task = task
        self.space = sp.Space()
        self.space.add_variables([variable(one) for one in task.space])
        self.advisor = Advisor(
            self.space,
            transfer_learning_history=[self.history(one) for one in task.sources],
            surrogate_type=SURROGATES[task.method],
            random_state=task.seed,
            output_dir=None,
            logger_kwargs=QUIET,
        )
        self.asked: Any = None

    def history(self, source: Source) -> Any:
        """A source's runs as OpenBox keeps them."""
        history = History(task_id=source.dataset, config_space=self.space)
        for codes, loss in zip(source.codes, source.losses, strict=True):
            history.update_observation(self.observation(self.configuration(codes), float(loss)))
        return history

    def configuration(self, codes: Any) -> Any:
        """A configuration of the space; categories are text in OpenBox."""
        pairs = zip(self.task.space, codes, strict=True)
        return sp.Configuration(self.space, values={one.name: own(one, float(code)) for one, code in pairs})

    @staticmethod
    def observation(config: Any, loss: float) -> Any:
        """One finished run."""
        return Observation(config=config, objectives=[loss], trial_state=SUCCESS, elapsed_time=0.0)

    def ask(self) -> dict[str, float]:
        """The advisor's suggestion."""
        self.asked = self.advisor.get_suggestion()
        return {one.name: float(self.asked[one.name]) for one in self.task.space}

    def tell(self, loss: float) -> None:
        """Add the run to the advisor's history."""
        self.advisor.update_observation(self.observation(self.asked, loss))


def own(parameter: Parameter, code: float) -> Any:
    """A code as OpenBox wants it."""
    if parameter.type == "float":
        return code
    return str(round(code)) if parameter.type == "categorical" else round(code)


def variable(parameter: Parameter) -> Any:
    """OpenBox's variable for a parameter's codes."""
    name, low, high = parameter.name, parameter.low, parameter.high
    if parameter.type == "categorical":
        return sp.Categorical(name, [str(i) for i in range(len(parameter.choices))])
    if parameter.type == "float":
        return sp.Real(name, low, high, log=parameter.log)
    return sp.Int(name, int(low), int(high), log=parameter.log and not parameter.choices)


if __name__ == "__main__":
    serve(OpenBox)
