"""What a meta-training by hand leaves behind: its curves in MLflow, and a run in the knowledge base."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from autometa.records import SearchInfo
from autometa.tracking import NullTracker, open_tracker

if TYPE_CHECKING:
    from autometa.fewshot import Look, Training

_RUN = "mlflow_run_id"


class Record:
    """Use as a context manager around the training; without `finish` the run counts as killed."""

    def __init__(self, folder: Path, settings: Mapping[str, str], mlflow: bool | str, *, resume: bool) -> None:
        """``mlflow`` is False for none, True for the user's own store, or a tracking URI."""
        self._folder = folder
        self._tracker = NullTracker() if mlflow is False else open_tracker(None if mlflow is True else mlflow)
        self._info = SearchInfo(
            name=folder.name,
            dataset_name=settings["tasks"],
            dataset_id=settings["tasks"],
            task="multiclass",
            metric="accuracy",
            direction="maximize",
            seed=int(settings["seed"]),
            folder=str(folder.resolve()),
            settings={name: value for name, value in settings.items() if name != "seed"},
        )
        self._before = (folder / _RUN).read_text() if resume and (folder / _RUN).is_file() else None

        self._started = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tracker.close()

    @property
    def problems(self) -> list[str]:
        """What MLflow could not record."""
        return self._tracker.problems

    def look(self, look: "Look") -> None:
        """A point of each curve."""
        if not self._started:  # not before: what is wrong with the input shows itself earlier
            self._tracker.start(self._info, resume_run_id=self._before)
            self._started = True
        values = {"loss": look.loss, "seconds": look.seconds, "episodes": float(look.episodes)}
        if look.validation is not None:
            values |= {"validation_accuracy": look.validation.accuracy, "validation_ci95": look.validation.ci95}
        self._tracker.measure(look.step, values)
        if self._tracker.run_id and self._folder.is_dir():
            (self._folder / _RUN).write_text(self._tracker.run_id)

    def finish(self, done: "Training", *, learn: bool) -> None:
        """The result; with ``learn`` the knowledge base gets the curve."""
        best = max((look.validation.accuracy for look in done.looks if look.validation), default=None)
        summary: dict[str, float | str] = {"stopped": done.stopped, "best_step": float(done.best_step)}
        if self._started:
            summary |= {} if best is None else {"accuracy": best}
            self._tracker.finish(summary, [self._folder / "card.json"])
        if learn and best is not None:
            self._learn(done)

    def _learn(self, done: "Training") -> None:
        from autometa.fewshot import Recipe, load_learner, read_card
        from autometa.knowledge import KnowledgeBase
        from autometa.search._fewshot_setup import config_of, dataset_id, learn_curve

        card, learner = read_card(self._folder), load_learner(self._folder)
        recipe = Recipe(**card["recipe"])
        name = dataset_id(card["tasks"], card["classes"], learner.form.n_way, learner.form.n_shot)
        whole = done.looks[-1].step if done.stopped == "patience" else recipe.n_steps
        curve = [(look.step / whole, look.validation.accuracy) for look in done.looks if look.validation is not None]
        learn_curve(KnowledgeBase.open_default(), name, config_of(learner, recipe), curve, source="own trainings")
