"""A search read back from its folder, to look at it again."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autometa.datasets import Dataset
from autometa.metrics import Metric
from autometa.records import TrialReport
from autometa.search import _study
from autometa.search._folder import SearchFolder
from autometa.search._options import SearchOptions
from autometa.search._plan import Plan, check, plan_of


@dataclass(frozen=True, slots=True)
class KeptSearch:
    """What a search has left; ``folder`` is locked until it is closed."""

    folder: SearchFolder
    state: Mapping[str, Any]
    options: SearchOptions
    dataset: Dataset
    metric: Metric
    plan: Plan
    reports: tuple[TrialReport, ...]


def read_search(path: Path) -> KeptSearch:
    """Open a search's folder and read everything in it.

    Raises:
        ResumeError: There is no search in it, one is still running there, or an older version wrote it.
    """
    folder = SearchFolder.reopen(path)
    try:
        state = folder.read_state()
        options = SearchOptions.from_json(state["options"])
        dataset = Dataset.from_folder(folder.data)
        metric, space = check(dataset, options)
        study = _study.open_study(
            folder.journal, state["storage"], name=state["study_name"], direction=metric.direction
        )
        plan = plan_of(state, folder, dataset, space)
        return KeptSearch(folder, state, options, dataset, metric, plan, tuple(_study.read_reports(study)))
    except BaseException:
        folder.close()
        raise
