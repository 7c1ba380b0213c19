"""What a meta-training by hand leaves behind: its curves in MLflow, and a run in the knowledge base."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from autometa.cli._training_record import TrainingRecord, resume_command
from autometa.records import SearchInfo

if TYPE_CHECKING:
    from autometa.fewshot import Look, Training


class Record(TrainingRecord):
    """Use as a context manager around the training; without `finish` the run counts as killed."""

    def __init__(self, folder: Path, settings: Mapping[str, str], mlflow: bool | str, *, resume: bool) -> None:
        """``mlflow`` is False for none, True for the user's own store, or a tracking URI."""
        info = SearchInfo(
            name=folder.name,
            dataset_name=settings["tasks"],
            dataset_id=settings["tasks"],
            task="multiclass",
            metric="accuracy",
            direction="maximize",
            seed=int(settings["seed"]),
            folder=str(folder.resolve()),
            what="training",
            resume=resume_command(),
            settings={name: value for name, value in settings.items() if name != "seed"},
        )
        super().__init__(folder, info, mlflow, resume=resume)

    def look(self, look: "Look") -> None:
        """A point of each curve."""
        values = {"loss": look.loss, "seconds": look.seconds, "episodes": float(look.episodes)}
        if look.validation is not None:
            values |= {"validation_accuracy": look.validation.accuracy, "validation_ci95": look.validation.ci95}
        self.point(look.step, values)

    def finish(self, done: "Training", *, learn: bool) -> None:
        """The result; with ``learn`` the knowledge base gets the curve."""
        best = max((look.validation.accuracy for look in done.looks if look.validation), default=None)
        summary: dict[str, float | str] = {"stopped": done.stopped, "best_step": float(done.best_step)}
        self.result(summary | ({} if best is None else {"accuracy": best}))
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
