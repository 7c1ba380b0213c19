"""The saved model: a folder that loads and predicts without Optuna, MLflow or the knowledge base.

.. code-block:: text

    model/
      card.json                         what it is, how good, made of what, with which versions; checksums
      members/00-lightgbm/
        pipeline.skops                  a scikit-learn pipeline, loaded against a fixed list of types
        weights.safetensors             tensors of a network, where the member is one
      members/00-lightgbm-splits/0/     the same of each split's model, where they are kept beside it

Paths in the card are relative, so the folder can be moved. Loading runs no foreign code: skops rebuilds only
the types in `autometa.candidates.TRUSTED_TYPES` and those of installed plug-ins; safetensors and JSON hold no
code at all.
"""

import hashlib
import json
import os
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from autometa.calibration import Calibration, calibrated
from autometa.candidates import CANDIDATES, TRUSTED_TYPES
from autometa.datasets import TableSchema
from autometa.errors import ModelError, OptionError
from autometa.records import Config, TaskType

FORMAT = 2
_UNCALIBRATED = 1
"""Format of models that older versions predict with as we do."""


class InvalidPredictionsError(RuntimeError):
    """A pipeline predicted what cannot be used: NaN, infinity, the wrong shape."""

    status = "invalid"


@dataclass(frozen=True, slots=True)
class Member:
    """One pipeline of a model and its share of the vote.

    ``path`` is relative to the model's folder; ``trial`` is the study's trial number; ``calibration`` is what its
    probabilities go through before they are weighted.
    """

    path: str
    weight: float
    candidate: str
    config: Config
    trial: int
    score: float
    calibration: Calibration | None = None

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Self:
        """What `to_json` gave."""
        return cls(**{**plain, "calibration": _calibration(plain)})

    def to_json(self) -> dict[str, Any]:
        """Plain values; a calibration only where there is one."""
        names = ("path", "weight", "candidate", "config", "trial", "score")
        plain = {name: getattr(self, name) for name in names}
        return plain if self.calibration is None else plain | {"calibration": self.calibration.to_json()}


class Model:
    """A trained model: the weighted mean of its members' predictions, calibrated where log-loss was the metric.

    Members are read from disk at the first prediction.
    """

    def __init__(self, folder: Path, card: Mapping[str, Any]) -> None:
        """Use `Model.load`."""
        self.folder = folder
        self.card = card
        self.schema = TableSchema.from_json(card["schema"])
        self.members = tuple(Member.from_json(member) for member in card["members"])
        self.calibration = _calibration(card)
        self._pipelines: list[Any] | None = None

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Open a model folder, or a search folder that holds one.

        Raises:
            ModelError: It is not a model, it was written by a newer autometa, or a file is damaged.
        """
        path = Path(folder)
        if not (path / "card.json").is_file() and (path / "model" / "card.json").is_file():
            path = path / "model"
        try:
            card = json.loads((path / "card.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            raise ModelError(
                f"{path} holds no model: there is no card.json in it. Pass the folder that `autometa tune` wrote."
            ) from None
        except (OSError, ValueError) as error:
            raise ModelError(f"{path / 'card.json'} cannot be read: {error}. The model is damaged.") from error
        found = card.get("format") if isinstance(card, dict) else None
        if not isinstance(found, int):
            raise ModelError(f"{path / 'card.json'} is not an autometa model card: it names no format.")
        if found > FORMAT:
            raise ModelError(
                f"{path} has format {found}; this autometa reads up to {FORMAT}. Install a newer autometa."
            )
        try:
            return cls(path, card)
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"{path / 'card.json'} is damaged: {type(error).__name__}: {error}.") from error

    @property
    def task(self) -> TaskType:
        """What the model does: binary, multiclass or regression."""
        return self.schema.task

    @property
    def classes(self) -> tuple[str | int | float | bool, ...]:
        """Class labels in the order of `predict_proba`'s columns; empty for regression."""
        return self.schema.classes

    @property
    def pipelines(self) -> list[Any]:
        """The members as fitted scikit-learn pipelines, in the order of `members`.

        They take ``model.schema.apply(table)`` and answer in class codes.
        """
        if self._pipelines is None:
            self._check_files()
            self._pipelines = [
                load_pipeline(self.folder / member.path, trusted=_trusted(member)) for member in self.members
            ]
        return self._pipelines

    def predict(self, table: pd.DataFrame) -> npt.NDArray[Any]:
        """Labels of shape (n_rows,), or numbers for regression.

        Raises:
            TableError: The table lacks a column that the model needs.
        """
        values = self._blend(table)
        if self.task == "regression":
            return values
        return np.asarray(self.schema.decode_target(values.argmax(axis=1)))

    def predict_proba(self, table: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Probabilities of shape (n_rows, n_classes), columns in the order of `classes`.

        Raises:
            OptionError: The model is a regression.
            TableError: The table lacks a column that the model needs.
        """
        if self.task == "regression":
            raise OptionError("A regression model has no class probabilities. Use predict.")
        return self._blend(table)

    def _blend(self, table: pd.DataFrame) -> npt.NDArray[np.float64]:
        return self.raw_predictions(self.schema.apply(table))

    def raw_predictions(self, X: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Predictions for X as ``schema.apply`` gives it: (n_rows, n_classes) probabilities, or (n_rows,) numbers."""
        n_classes = len(self.classes)
        if not len(X):
            return np.zeros((0, n_classes) if n_classes else 0)
        total = sum(
            member.weight * calibrated(raw_predictions(pipeline, X, n_classes), member.calibration)
            for member, pipeline in zip(self.members, self.pipelines, strict=True)
        )
        return calibrated(np.asarray(total), self.calibration)

    def _check_files(self) -> None:
        for relative in (*self.card["files"], *(member.path for member in self.members)):
            if ".." in Path(relative).parts or Path(relative).is_absolute():
                raise ModelError(f"The card names a file outside the model: {relative!r}. The model is not ours.")
        unlisted = [m.path for m in self.members if f"{m.path}/pipeline.skops" not in self.card["files"]]
        if unlisted:
            raise ModelError(f"The card has no checksum for the member {unlisted[0]!r}. The model is damaged.")
        for relative, expected in self.card["files"].items():
            path = self.folder / relative
            if not path.is_file():
                raise ModelError(f"{path} is missing. Copy the whole model folder.")
            if _sha256(path) != expected:
                raise ModelError(f"{path} does not match its checksum in card.json. The model is damaged.")


def load_model(folder: str | os.PathLike[str]) -> Model:
    """Open a trained model, or a search folder that holds one.

    Raises:
        ModelError: It is not a model, or it is damaged.
    """
    return Model.load(folder)


def write_card(folder: Path, members: Iterable[Member], schema: TableSchema, facts: Mapping[str, Any]) -> None:
    """Write ``card.json`` last: a folder without one is no model.

    Args:
        folder: Where the members were saved.
        members: Their weights add up to 1.
        schema: The table that the model was trained on.
        facts: JSON values for people: metric, score, seed, dataset, versions, command; and ``calibration``, which is
            `Calibration.to_json` or None.
    """
    listed = [member.to_json() for member in members]
    files = {
        str(path.relative_to(folder)): _sha256(path)
        for member in listed
        for path in sorted((folder / member["path"]).iterdir())
    }
    card = {
        "format": FORMAT if facts.get("calibration") or any("calibration" in one for one in listed) else _UNCALIBRATED,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        **facts,
        "members": listed,
        "schema": schema.to_json(),
        "files": files,
    }
    temporary = folder / "card.json.tmp"
    temporary.write_text(json.dumps(card, indent=1), encoding="utf-8")
    os.replace(temporary, folder / "card.json")


def raw_predictions(pipeline: Any, X: pd.DataFrame, n_classes: int) -> npt.NDArray[np.float64]:
    """One pipeline's predictions: probabilities of shape (n, n_classes), or numbers of shape (n,) if 0 classes.

    A class that the pipeline never saw in training gets probability 0.
    """
    if not n_classes:
        numbers = np.asarray(pipeline.predict(X), dtype=np.float64)
        if numbers.size != len(X):
            raise InvalidPredictionsError(f"{len(X)} rows must have as many predictions, but they have {numbers.size}")
        return numbers.reshape(len(X))
    seen = np.asarray(pipeline.predict_proba(X), dtype=np.float64)
    if seen.shape != (len(X), len(pipeline.classes_)):
        raise InvalidPredictionsError(
            f"probabilities must have the shape {(len(X), len(pipeline.classes_))}, one row per row and one column per "
            f"class, but they have {seen.shape}"
        )
    if seen.shape[1] == n_classes:
        return seen
    values = np.zeros((len(X), n_classes))
    values[:, np.asarray(pipeline.classes_, dtype=np.int64)] = seen
    return values


def save_pipeline(pipeline: Any, folder: Path) -> None:
    """Write a fitted pipeline; a network's tensors go to safetensors beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    network = pipeline[-1]
    if not hasattr(network, "export_weights"):
        _dump(pipeline, folder / "pipeline.skops")
        return
    from safetensors.numpy import save_file

    weights = network.export_weights()
    save_file(weights, folder / "weights.safetensors")
    try:
        network.import_weights({})
        _dump(pipeline, folder / "pipeline.skops")
    finally:
        network.import_weights(weights)


def _dump(pipeline: Any, path: Path) -> None:
    import skops.io

    # Level 1 already makes a forest six times smaller; higher levels only take longer.
    skops.io.dump(pipeline, path, compression=zipfile.ZIP_DEFLATED, compresslevel=1)


def load_pipeline(folder: Path, *, trusted: Sequence[str] = TRUSTED_TYPES) -> Any:
    """Read what `save_pipeline` wrote.

    Args:
        folder: Where it was written.
        trusted: Full names of the types that may be rebuilt.

    Raises:
        ModelError: The file asks for a type that autometa does not use, or cannot be read.
    """
    import skops.io

    path = folder / "pipeline.skops"
    try:
        pipeline = skops.io.load(path, trusted=list(trusted))
        weights = folder / "weights.safetensors"
        if weights.is_file():
            from safetensors.numpy import load_file

            pipeline[-1].import_weights(load_file(weights))
    except Exception as error:  # skops raises whatever a damaged archive makes it raise
        raise ModelError(f"{path} cannot be loaded safely: {type(error).__name__}: {error}") from error
    return pipeline


def _calibration(plain: Mapping[str, Any]) -> Calibration | None:
    said = plain.get("calibration")
    return None if said is None else Calibration.from_json(said)


def _trusted(member: Member) -> Sequence[str]:
    """The types that a member may hold: ours, and those of its candidate if that is installed.

    What the card or the file asks for is no reason to trust it; that the user installed the plug-in is one.
    """
    if member.candidate not in CANDIDATES:
        raise ModelError(
            f"The model has a member {member.candidate!r}, which is no candidate here. Install the plug-in that offers "
            f"it. Known: {', '.join(CANDIDATES.names())}."
        )
    return (*TRUSTED_TYPES, *CANDIDATES.create(member.candidate).trusted_types)


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
