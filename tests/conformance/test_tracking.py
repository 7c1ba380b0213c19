"""Every tracker keeps the contract, and every check of the contract catches who does not."""

import inspect
import json
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from autometa import tracking
from autometa.records import SearchInfo, TrialReport
from autometa.testing import tracking as contract
from autometa.tracking import MlflowTracker, NullTracker, Tracker, resolve


def make_mlflow() -> Tracker:
    return MlflowTracker(resolve(None), close_timeout=120.0)


# MLflow 3.17 uses what SQLAlchemy 2.1 deprecates; only the fixture that makes a store in this process sees it.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

MEMBERS: dict[str, contract.MakeTracker] = {"mlflow": make_mlflow, "none": NullTracker}
MATRIX = [
    pytest.param(make, check, id=f"{name}-{check.__name__}")
    for name, make in MEMBERS.items()
    for check in contract.CHECKS
]


@pytest.mark.parametrize(("make", "check"), MATRIX)
def test_tracker_keeps_the_contract(
    make: contract.MakeTracker, check: Callable[[contract.MakeTracker], None], mlflow_store: Path
) -> None:
    check(make)
    assert mlflow_store.is_file()


class Liar(NullTracker):
    """Harmless by itself; each subclass breaks one rule."""


class RefusesFailures(Liar):
    def trial(self, report: TrialReport) -> None:
        if report.value is None:
            raise ValueError("a trial has a score")


class HasProblems(Liar):
    def close(self, timeout: float | None = None) -> None:
        self.problems.append("nothing happened")


class ChangesConfig(Liar):
    def trial(self, report: TrialReport) -> None:
        report.config.pop("candidate", None)


class StrictJson(Liar):
    def trial(self, report: TrialReport) -> None:
        json.dumps(report.value, allow_nan=False)


class Slow(Liar):
    def finish(self, summary: Mapping[str, float | str], artifacts: Sequence[Path]) -> None:
        time.sleep(0.6)


class SlowToStart(Liar):
    def start(self, info: SearchInfo, *, resume_run_id: str | None = None) -> None:
        time.sleep(0.6)


class NeedsStart(Liar):
    name: str

    def start(self, info: SearchInfo, *, resume_run_id: str | None = None) -> None:
        self.name = info.name

    def trial(self, report: TrialReport) -> None:
        self.name.encode()


class ClosesOnce(Liar):
    def __init__(self) -> None:
        super().__init__()
        self.open = True

    def close(self, timeout: float | None = None) -> None:
        if not self.open:
            raise ValueError("closed already")
        self.open = False


class NeedsArtifacts(Liar):
    def finish(self, summary: Mapping[str, float | str], artifacts: Sequence[Path]) -> None:
        for path in artifacts:
            path.read_bytes()


class NeedsTheEarlierRun(Liar):
    def start(self, info: SearchInfo, *, resume_run_id: str | None = None) -> None:
        {None: "new"}[resume_run_id]  # type: ignore[index]


class LeavesThread(Liar):
    def start(self, info: SearchInfo, *, resume_run_id: str | None = None) -> None:
        threading.Thread(target=time.sleep, args=(0.5,), name="left behind", daemon=True).start()


class LeavesVariable(Liar):
    def start(self, info: SearchInfo, *, resume_run_id: str | None = None) -> None:
        pytest.MonkeyPatch().setenv("AUTOMETA_TRACKER_WAS_HERE", info.name)


class SharesProblems(Liar):
    shared: ClassVar[list[str]] = []

    def __init__(self) -> None:
        super().__init__()
        self.problems = self.shared


LIARS: list[tuple[Callable[[contract.MakeTracker], None], type[Tracker]]] = [
    (contract.check_whole_search, RefusesFailures),
    (contract.check_whole_search, HasProblems),
    (contract.check_odd_values, StrictJson),
    (contract.check_returns_at_once, Slow),
    (contract.check_returns_at_once, SlowToStart),
    (contract.check_any_order, NeedsStart),
    (contract.check_any_order, ClosesOnce),
    (contract.check_missing_things, NeedsArtifacts),
    (contract.check_missing_things, NeedsTheEarlierRun),
    (contract.check_nothing_left_behind, LeavesThread),
    (contract.check_nothing_left_behind, LeavesVariable),
    (contract.check_own_problems, SharesProblems),
]


@pytest.mark.parametrize(("check", "liar"), LIARS, ids=lambda value: value.__name__)
def test_check_catches_the_liar(
    check: Callable[[contract.MakeTracker], None], liar: type[Tracker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AUTOMETA_TRACKER_WAS_HERE", raising=False)
    with pytest.raises((AssertionError, TypeError, ValueError, AttributeError, OSError, KeyError)):
        check(liar)


def test_every_check_has_a_liar_and_every_tracker_is_a_member() -> None:
    assert {check for check, _ in LIARS} == set(contract.CHECKS)
    ours = {kind for kind in vars(tracking).values() if isinstance(kind, type) and issubclass(kind, Tracker)}
    assert {type(make()) for make in MEMBERS.values()} == {kind for kind in ours if not inspect.isabstract(kind)}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store; MLflow takes seconds to make one."""
    from autometa.tracking import _sqlite

    folder = tmp_path_factory.mktemp("template")
    _sqlite.prepare(folder / "mlflow.db", folder / "mlflow-artifacts")
    return folder / "mlflow.db"


@pytest.fixture
def mlflow_store(template: Path, own_home: Path) -> Path:
    return Path(shutil.copy(template, own_home / "mlflow.db"))
