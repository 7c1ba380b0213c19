"""How MLflow's pages show searches before anybody has set them up."""

import json
from typing import Any
from urllib.parse import quote

# MLflow keeps a named view of the runs table as a tag of its experiment, and a link can open it. A new view needs a
# new name: one that is there already may have been changed by its user.
_VIEW = "autometa"
_TAG = f"mlflow.sharedViewState.{_VIEW}"
_MADE = 1_767_225_600_000  # milliseconds since the epoch; MLflow wants to know when a view was made
# MLflow's name of each column, in their order, with its width in pixels: the first fit beside an open side panel.
_COLUMNS = {
    "attributes.`Run Name`": 240,
    "runDateAndNestInfo": 150,
    "metrics.`score`": 100,
    "tags.`candidate`": 200,
    "tags.`origin`": 330,
    "attributes.`Dataset`": 190,
    "duration": 80,
}

EXPERIMENT_TAGS = {
    # Without it MLflow asks its first visitor whether this is about language models.
    "mlflow.experimentKind": "custom_model_development",
    _TAG: json.dumps(
        {
            "name": "Searches and their trials",
            "createdAt": _MADE,
            "updatedAt": _MADE,
            "state": json.dumps(
                {
                    "selectedColumns": [column for column in _COLUMNS if "`" in column],
                    "columnOrder": list(_COLUMNS),
                    "columnWidths": _COLUMNS,
                    "orderByKey": "attributes.start_time",
                    "orderByAsc": False,
                }
            ),
        }
    ),
}


def searches_page(experiment: dict[str, Any]) -> str:
    """The page of all searches, newest first, with candidate, score and origin of their trials.

    Args:
        experiment: As MLflow's REST interface describes it.

    Returns:
        What comes after the server's address.
    """
    page = f"/#/experiments/{experiment['experiment_id']}/runs?workflowType=machine_learning"
    has_view = any(tag.get("key") == _TAG for tag in experiment.get("tags", ()))
    return f"{page}&viewStateShareKey={_VIEW}" if has_view else page


def leaderboard_page(experiment_id: str, run_id: str, *, ascending: bool) -> str:
    """The page of one search's trials, best first: without their search the rows lie flat."""
    mine = quote(f"tags.`mlflow.parentRunId` = '{run_id}'", safe="")
    order = f"orderByKey={quote('metrics.`score`', safe='')}&orderByAsc={str(ascending).lower()}"
    return f"#/experiments/{experiment_id}/runs?workflowType=machine_learning&searchFilter={mine}&{order}"


def artifact_page(experiment_id: str, run_id: str, path: str) -> str:
    """The page that shows one of a run's files."""
    return f"#/experiments/{experiment_id}/runs/{run_id}/artifacts/{quote(path)}?workflowType=machine_learning"
