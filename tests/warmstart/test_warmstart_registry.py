import subprocess
import sys

import pytest

from autometa.errors import UnknownNameError
from autometa.knowledge import KnowledgeBase
from autometa.metrics import resolve
from autometa.records import TASK_TYPES, MetaFeatures, TaskType
from autometa.spaces import load_space
from autometa.warmstart import WARM_STARTERS


def test_the_shipped_warm_starters_are_registered_and_described() -> None:
    assert WARM_STARTERS.names() == [
        "auto",
        "average_rank",
        "bounding_box",
        "nearest_datasets",
        "portfolio",
        "quantile_box",
        "similar_portfolio",
    ]
    assert all(entry.summary for entry in WARM_STARTERS)


def test_an_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown warm starter 'portfolo'. Did you mean 'portfolio'\?"):
        WARM_STARTERS.create("portfolo")


def test_importing_the_family_loads_nothing_heavy() -> None:
    heavy = "torch", "mlflow", "openml", "optuna", "lightgbm", "sklearn", "skrub"
    code = f"import sys, autometa.warmstart; print([name for name in {heavy!r} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize("task", TASK_TYPES)
def test_the_shipped_base_advises_every_task_type(task: TaskType) -> None:
    kb = KnowledgeBase.open_default(overlay=False)
    datasets = kb.datasets()
    dataset_id = str(datasets.index[datasets["task"] == task][0])
    (values,) = kb.meta_features().loc[[dataset_id]].to_dict("records")
    target = MetaFeatures(dataset_id, {str(name): float(value) for name, value in values.items()})
    space = load_space("tabular", task=task)
    for name in WARM_STARTERS.names():
        suggestions = WARM_STARTERS.create(name).suggest(
            target, kb.without(dataset_id), space, 10, metric=resolve(None, task), task=task, seed=0
        )
        assert len({space.key(one.config) for one in suggestions}) == 10
        few = name == "average_rank"  # the best on average are much alike, and each stands for itself
        assert len({one.config["candidate"] for one in suggestions}) >= (1 if few else 3)
        assert all(one.origin.dataset_id != dataset_id for one in suggestions)
        assert all(one.origin.distance is not None for one in suggestions)
        assert name == "auto" or {one.origin.strategy for one in suggestions} == {name}
