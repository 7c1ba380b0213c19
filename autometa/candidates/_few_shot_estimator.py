"""`FewShotClassifier`: learn from a few labelled rows of a table, after practice on tasks made of the table itself."""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d, validate_data

from autometa.candidates._few_shot_rows import RowEncoder
from autometa.candidates._torch_estimator import TorchEstimator, threads
from autometa.errors import OptionError

if TYPE_CHECKING:
    import torch

    from autometa.fewshot import FewShotLearner, Support

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.float32]
Scaling = Literal["minmax", "standard", "quantile", "robust", "none"]
LabelledTable = tuple[npt.ArrayLike, npt.ArrayLike]
"""Rows of numbers, and their labels."""

_BOUNDS: dict[str, tuple[float, float]] = {
    "n_way": (2, 1000),
    "n_shot": (1, 1000),
    "n_query": (1, 1000),
    "width": (1, 65536),
    "depth": (1, 64),
    "n_steps": (0, 1 << 30),
    "tasks_per_step": (1, 1 << 20),
    "learning_rate": (0.0, 10.0),
    "patience": (0, 1 << 30),
}
_SCALINGS = ("minmax", "standard", "quantile", "robust", "none")
_CLASSIFIERS = ("linear_head", "simple_shot")
_AT_ONCE = 4096
_TRAINING = 0.9  # of a time limit; the rest is for what comes after


class FewShotClassifier(ClassifierMixin, TorchEstimator):  # type: ignore[misc]
    """A classifier for tables of which only a few rows are labelled.

    Use it with up to some twenty labelled rows per class, above all where there are many more rows without a label. A
    few-shot learner of `autometa.fewshot` is first meta-trained on tasks that need no label, made of the table itself:
    STUNT (Nam, Tack, Lee, Lee, Shin, 2023, *STUNT: Few-shot Tabular Learning with Self-generated Tasks from Unlabeled
    Tables*, ICLR, https://arxiv.org/abs/2303.00918), whose pseudo-classes are k-means clusters of some columns, to be
    told from the others. Then it adapts to the labelled rows. Meta-training ends where pseudo-tasks of held-out rows,
    made of all columns, are told no better (sec. 3.3).

    Deviations from the paper: tasks may also be made of the labelled rows themselves (``own_share``) and of other
    tables (``others_share``); any learner of the zoo may take the place of Prototypical Networks; the network is
    narrower by default, and its last layer has a ReLU too, which did a little better; probabilities are tempered to
    suit labelled rows that were left out.

    Args:
        algorithm: A learner's name in `autometa fewshot list`, other than linear_head and simple_shot, which need the
            classes of a whole training set.
        n_way: Pseudo-classes of a task; learners with a fixed number of classes take that of the labels.
        n_shot: Labelled rows of each in a task.
        n_query: Queries of each.
        width: Units of a layer of the network; 1024 in the paper.
        depth: Layers.
        n_steps: Most steps of meta-training; 10,000 in the paper.
        tasks_per_step: Tasks whose losses are averaged in a step.
        learning_rate: Of Adam, in the meta-training.
        own_share: How often a task made of the table is made of its labelled rows, in [0, 1], where two classes have
            two rows; 0 in the paper, which has one labelled row to a class.
        others_share: How often tasks are made of the ``other_tables`` of `fit`, in [0, 1].
        patience: Looks, one every 50 steps, without a better one that end meta-training; 0 never does.
        scaling: How numbers are scaled; ``none`` takes an array of numbers without gaps as it is.
        options: Hyperparameters of the algorithm, by name.
        time_limit: Seconds after which `fit` stops meta-training, with the best weights so far.
        replay: The ``training_record_`` of an earlier fit: this one does the same without a clock.
        device: ``auto`` (CUDA if there is any, else the CPU), or one by torch's name.
        n_threads: Threads of torch; None leaves torch's own setting.
        random_state: Same integer, same data, same device: same model. No global generator is used.

    Attributes:
        classes_: Labels, in the order of the probabilities' columns.
        n_ways_: Classes that the meta-training was for.
        weights_: The learner's weights by name.
        n_steps_: Steps of the meta-training; 0 where rows were too few for any task.
        best_step_: The one whose weights were kept.
        sources_: What tasks were made of: some of ``stunt``, ``own``, ``others``.
        temperature_: What class scores are divided by.
        training_record_: How many steps there was time for, as a dict for JSON; empty where the limit changed nothing.
    """

    takes_unlabelled = True

    def __init__(
        self,
        algorithm: str = "prototypical",
        *,
        n_way: int = 10,
        n_shot: int = 1,
        n_query: int = 15,
        width: int = 256,
        depth: int = 2,
        n_steps: int = 1000,
        tasks_per_step: int = 4,
        learning_rate: float = 1e-3,
        own_share: float = 0.5,
        others_share: float = 0.0,
        patience: int = 4,
        scaling: Scaling = "minmax",
        options: Mapping[str, Any] | None = None,
        time_limit: float | None = None,
        replay: Mapping[str, int] | None = None,
        device: str = "auto",
        n_threads: int | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.algorithm = algorithm
        self.n_way = n_way
        self.n_shot = n_shot
        self.n_query = n_query
        self.width = width
        self.depth = depth
        self.n_steps = n_steps
        self.tasks_per_step = tasks_per_step
        self.learning_rate = learning_rate
        self.own_share = own_share
        self.others_share = others_share
        self.patience = patience
        self.scaling = scaling
        self.options = options
        self.time_limit = time_limit
        self.replay = replay
        self.device = device
        self.n_threads = n_threads
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        y: npt.ArrayLike,
        X_unlabelled: Any = None,
        *,
        other_tables: Sequence[LabelledTable] = (),
    ) -> Self:
        """Meta-train, then adapt to the labelled rows.

        Args:
            X: Labelled rows, (n, d): numbers with NaN where missing, or a DataFrame with columns of any kind.
            y: Their n labels, of two classes or more.
            X_unlabelled: More rows of the same table, (m, d), without labels; those to be predicted may be among them.
            other_tables: Pairs of rows and labels for ``others_share``, of any number of columns.

        Raises:
            OptionError: A parameter lies outside its range, or does not suit the others or the data.
            UnknownNameError: There is no such algorithm.
        """
        started = time.monotonic()
        self._check_options(other_tables)
        self.seed_ = int(np.random.default_rng(self._seed()).integers(1 << 31))
        labelled, labels, unlabelled = self._encoded(X, y, X_unlabelled)
        self.classes_, self.support_labels_ = self._coded(labels)
        self.support_, self.n_ways_ = labelled, len(self.classes_)
        with threads(self.n_threads):
            self._learn(unlabelled, other_tables, started)
        return self

    def adapt(self, X: Any, y: npt.ArrayLike) -> Self:
        """Learn from other labelled rows of the same table, without another meta-training.

        Use it when more labels come in. The rows of `fit` are forgotten; encoding and network stay.

        Args:
            X: Labelled rows, (n, d).
            y: Their n labels; new classes are welcome, where the algorithm takes any number of them.

        Raises:
            OptionError: The labels are of one class, or of another number of classes than the algorithm can take.
        """
        check_is_fitted(self)
        rows, labels = self._read(X, y, reset=False)
        classes, codes = self._coded(labels)
        if len(classes) != self.n_ways_ and not self._network().ability.any_way:
            raise OptionError(
                f"{self.algorithm} was meta-trained for {self.n_ways_} classes, but the labels are of {len(classes)}. "
                "Fit again, or use an algorithm that takes any number, such as prototypical."
            )
        self.classes_, self.support_labels_ = classes, codes
        self.support_ = rows if self.encoder_ is None else self.encoder_.transform(rows)
        self._temper()
        return self

    def predict_proba(self, X: Any) -> Floats:
        """Class probabilities of (n, d) rows, (n, n_classes); rows sum to 1."""
        import torch

        check_is_fitted(self)
        rows = self._read(X, reset=False)
        if self.encoder_ is not None:
            rows = self.encoder_.transform(rows)
        learner, support, found = self._network(), self._support(), []
        with threads(self.n_threads), torch.no_grad():
            predict = learner.adapt(support)
            for first in range(0, len(rows), _AT_ONCE):
                part = torch.from_numpy(rows[first : first + _AT_ONCE]).to(support.x)
                scores = predict(part.unsqueeze(0))[0] / self.temperature_
                found.append(scores.softmax(1).cpu().numpy())
        return cast("Floats", np.concatenate(found))

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The most probable label of each row."""
        probabilities = self.predict_proba(X)
        return np.asarray(self.classes_[probabilities.argmax(axis=1)])

    def _encoded(self, X: Any, y: npt.ArrayLike, X_unlabelled: Any) -> tuple[Rows, npt.NDArray[Any], Rows]:
        """Labelled rows as the network takes them, their labels, and the unlabelled rows."""
        rows, labels = self._read(X, y)
        more = None if X_unlabelled is None else self._read(X_unlabelled, reset=False)
        if self.scaling == "none":
            self.encoder_ = None
            return rows, labels, rows[:0] if more is None else more
        self.encoder_ = RowEncoder(self.scaling, seed=self.seed_)
        encoded, others = self.encoder_.fit(rows, more)
        return encoded, labels, others

    def _read(self, X: Any, y: Any = "no_validation", *, reset: bool = True) -> Any:
        """Rows, and labels if they are passed: a DataFrame as it is, all else as an array of numbers."""
        if self.scaling == "none":
            return validate_data(self, X, y, reset=reset, dtype=np.float32)
        if not isinstance(X, pd.DataFrame):
            return validate_data(self, X, y, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan")
        validate_data(self, X, y, reset=reset, skip_check_array=True)
        if isinstance(y, str):
            return X
        labels = column_or_1d(y, warn=True)
        check_consistent_length(X, labels)
        return X, labels

    def _coded(self, labels: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
        """Classes, and the code of each label."""
        check_classification_targets(labels)
        classes, codes = np.unique(labels, return_inverse=True)
        if len(classes) < 2:
            raise OptionError(f"Labels must be of two classes or more, but got one class: {labels[0]!r}.")
        return classes, codes

    def _learn(self, unlabelled: Rows, other_tables: Sequence[LabelledTable], started: float) -> None:
        import torch

        from autometa.fewshot import TableTraining, meta_train_for_table

        learner = self._blank_net().to(self._device())
        left = 0.0
        if self.time_limit is not None and self.replay is None:
            left = _TRAINING * self.time_limit - (time.monotonic() - started)
        training = TableTraining(
            n_way=self.n_way,
            n_shot=self.n_shot,
            n_query=self.n_query,
            n_steps=self.n_steps if self.replay is None else self.replay["steps"],
            tasks_per_step=self.tasks_per_step,
            lr=self.learning_rate,
            own_share=self.own_share,
            others_share=self.others_share,
            patience=self.patience,
            seconds=left,
            seed=self.seed_,
        )
        others = [_labelled_classes(*table) for table in other_tables]
        support = self._support(torch.float32)
        done = meta_train_for_table(learner, support, torch.from_numpy(unlabelled), training, others=others)
        self.sources_ = list(done.sources)
        self.n_steps_ = done.training.looks[-1].step if done.training is not None and done.training.looks else 0
        self.best_step_ = done.training.best_step if done.training is not None else 0
        out_of_time = done.training is not None and done.training.stopped == "time"
        self.training_record_ = dict(self.replay or ({"steps": self.n_steps_} if out_of_time else {}))
        self.weights_ = {name: value.cpu().numpy() for name, value in learner.state_dict().items()}
        self._net = learner.double().eval().requires_grad_(False)
        self._temper()

    def _temper(self) -> None:
        from autometa.fewshot import fitting_temperature

        self.temperature_ = fitting_temperature(self._network(), self._support(), seed=self.seed_)

    def _blank_net(self) -> "FewShotLearner[Any]":
        from autometa.fewshot import BackboneSpec, Form, make_learner

        form = Form(shape=(self.support_.shape[1],), n_way=self.n_ways_, n_shot=self.n_shot)
        spec = BackboneSpec(name="mlp", width=self.width, depth=self.depth, norm="none", seed=self.seed_)
        return make_learner(self.algorithm, form, spec, self.options)

    def _network(self) -> "FewShotLearner[Any]":
        """In double precision: what is said of a row then does not depend on how many are predicted together."""
        return cast("FewShotLearner[Any]", super()._network().double().eval())

    def _support(self, dtype: "torch.dtype | None" = None) -> "Support":
        import torch

        from autometa.fewshot import Support

        x, y = torch.from_numpy(self.support_), torch.from_numpy(self.support_labels_)
        device = self._device()
        return Support(x.unsqueeze(0).to(device, dtype or torch.float64), y.unsqueeze(0).to(device), len(self.classes_))

    def _check_options(self, other_tables: Sequence[LabelledTable]) -> None:
        for name, (low, high) in _BOUNDS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise OptionError(f"{name} must lie in [{low}, {high}], but got {value!r}.")
        if self.scaling not in _SCALINGS:
            raise OptionError(f"scaling must be one of {', '.join(_SCALINGS)}, but got {self.scaling!r}.")
        if self.algorithm in _CLASSIFIERS:
            raise OptionError(
                f"{self.algorithm} must know all classes of a training set, which tasks made of a table do not have. "
                "Use another algorithm, such as prototypical."
            )
        if self.others_share > 0 and not other_tables:
            raise OptionError(f"others_share is {self.others_share}, but there are no other_tables. Pass some to fit.")
        if self.time_limit is not None and not self.time_limit > 0:
            raise OptionError(f"time_limit must be seconds above 0, or None, but got {self.time_limit!r}.")


def _labelled_classes(X: npt.ArrayLike, y: npt.ArrayLike) -> Any:
    from autometa.fewshot import classes_of_arrays

    rows = np.asarray(X, dtype=np.float32)
    low, high = np.nanmin(rows, axis=0), np.nanmax(rows, axis=0)
    scaled = (rows - low) / np.where(high > low, high - low, 1.0)
    return classes_of_arrays(np.nan_to_num(scaled, nan=0.5), np.asarray(y), at_least=2)
