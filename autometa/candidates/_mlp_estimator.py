"""`MLPClassifier` and `MLPRegressor`: a residual network for tables, as scikit-learn estimators."""

import time
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from autometa.candidates._mlp_base import Floats, NumericEmbedding, OptimizerName, TabularMLP
from autometa.candidates._weights import require_two_classes, weighted_rows


class MLPClassifier(ClassifierMixin, TabularMLP):  # type: ignore[misc]
    """A classifier for tables: numeric embeddings, residual blocks, an ensemble that shares its weights.

    Use it where scikit-learn's `sklearn.neural_network.MLPClassifier` would be used and accuracy matters:
    it takes raw numbers (NaN is missing, scales are learned) and category codes, and stops by itself.
    Members of the ensemble differ by a scaling of the inputs and by the output layer, and each is trained
    on its own loss. Their probabilities are averaged, after a temperature fitted on held-out rows. What it
    is made of, and from which papers: `autometa.candidates._mlp_net`.

    Args:
        n_categorical: The first so many columns are category codes 0, 1, ...; NaN is missing, which is a
            category of its own if it was seen in `fit`; negative and unseen codes are unknown.
        n_blocks: Residual blocks.
        width: Units of each layer.
        dropout: Share of the units of a block that is dropped in training.
        numeric_embedding: ``periodic`` gives each number waves of learned frequency, ``none`` only itself.
        n_frequencies: Waves per number.
        embedding_dim: Size of the embedding that the waves of a number are mixed into.
        frequency_scale: Standard deviation of the initial frequencies, per interquartile range.
        ensemble_size: Members.
        optimizer: ``adamw`` (Loshchilov, Hutter, 2019); ``sgd``, with Nesterov's momentum of 0.9 and
            gradients clipped to a norm of 1; or ``learned``, an optimizer that was trained on tables itself and comes
            with autometa. Where that one diverges, AdamW trains instead, and ``fallback_`` says so. Cosine, weight
            decay and the longer steps of the embeddings' parameters are the same for all.
        learning_rate: Of AdamW, at the start of its cosine. SGD takes 30 times as much, so that one range suits both;
            a learned optimizer has learned its own, and this one only matters where AdamW takes its place.
        weight_decay: On weight matrices, decoupled from the gradient: a step shrinks them by this times AdamW's
            learning rate, whatever the optimizer; for a learned one by this times AdamW's default rate.
        batch_size: Rows of a step; tables with fewer take one step per epoch.
        max_epochs: Most passes over the rows.
        patience: Epochs without a lower validation loss after which training stops.
        validation_fraction: Share of the rows that is held out for that; see `holdout_split`.
        refit_below: A table of fewer rows is trained once more on all of them, for as many epochs as were
            best; 0 never does that.
        time_limit: Seconds after which `fit` stops training, with the best weights so far. The result then
            depends on the machine's speed.
        replay: The ``training_record_`` of an earlier fit with the same data and parameters: this one does the
            same without a clock, to the bit on the same machine, and ``time_limit`` does not matter.
        device: ``auto`` (CUDA if there is any, else the CPU), or one by torch's name.
        mixed_precision: Train in bfloat16; on CUDA only.
        n_threads: Threads of torch in `fit` and `predict`; None leaves torch's own setting.
        random_state: Same integer, same data, same device: same model. No global generator is used.
        label_smoothing: Weight of the uniform distribution in each training label.

    Attributes:
        classes_: Labels, in the order of the probabilities' columns.
        weights_: The network's weights by name.
        validation_losses_: Log-loss on the held-out rows after each epoch.
        best_epoch_: The epoch, from 1, with the lowest of them; 0 if none was finite.
        n_epochs_: Epochs that were begun, apart from those of the second training.
        out_of_time_: Whether the time limit ended training before early stopping did.
        refitted_: Whether the weights come from a second training on all rows.
        fallback_: How a learned optimizer diverged and what was done about it, in words; "" where none did.
        training_record_: Where the clock had a say: the step (from 0) of the first or the second training, or of the
            one that took the place of one that diverged, at which each 32nd of the time limit was over, as a dict for
            JSON. Empty where the limit changed nothing.
        temperature_: What class scores are divided by, so that probabilities suit the held-out rows.
    """

    def __init__(
        self,
        *,
        n_categorical: int = 0,
        n_blocks: int = 2,
        width: int = 128,
        dropout: float = 0.15,
        numeric_embedding: NumericEmbedding = "periodic",
        n_frequencies: int = 16,
        embedding_dim: int = 4,
        frequency_scale: float = 0.1,
        ensemble_size: int = 4,
        optimizer: OptimizerName = "adamw",
        learning_rate: float = 3e-3,
        weight_decay: float = 1e-2,
        batch_size: int = 128,
        max_epochs: int = 60,
        patience: int = 20,
        validation_fraction: float = 0.15,
        refit_below: int = 10_000,
        time_limit: float | None = None,
        replay: dict[str, int] | None = None,
        device: str = "auto",
        mixed_precision: bool = False,
        n_threads: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        label_smoothing: float = 0.05,
    ) -> None:
        super().__init__(
            n_categorical=n_categorical,
            n_blocks=n_blocks,
            width=width,
            dropout=dropout,
            numeric_embedding=numeric_embedding,
            n_frequencies=n_frequencies,
            embedding_dim=embedding_dim,
            frequency_scale=frequency_scale,
            ensemble_size=ensemble_size,
            optimizer=optimizer,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            batch_size=batch_size,
            max_epochs=max_epochs,
            patience=patience,
            validation_fraction=validation_fraction,
            refit_below=refit_below,
            time_limit=time_limit,
            replay=replay,
            device=device,
            mixed_precision=mixed_precision,
            n_threads=n_threads,
            random_state=random_state,
        )
        self.label_smoothing = label_smoothing

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> Self:
        """Fit on (n, d) rows and n labels.

        ``sample_weight`` are n relative weights: of the loss in training, of the loss on the held-out rows, and of
        these in the temperature. Rows of weight 0 are left out, and with them a class that has no others.

        Raises:
            OptionError: A parameter lies outside its range, the device is not there, or the weights are not n
                numbers of 0 or more, some of them positive in two classes.
        """
        started = time.monotonic()
        rows, labels = validate_data(self, X, y, dtype=np.float64, ensure_all_finite="allow-nan")
        check_classification_targets(labels)
        self._check_options(rows.shape[1])
        rows, labels, weights = weighted_rows(rows, labels, sample_weight)
        require_two_classes(labels, sample_weight)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        self._fit_net(rows, codes, weights, n_outputs=len(self.classes_), started=started)
        return self

    def predict_proba(self, X: npt.ArrayLike) -> Floats:
        """Class probabilities of (n, d) rows, (n, n_classes); rows sum to 1."""
        return self._predict_mean(X, np.int64)

    def predict(self, X: npt.ArrayLike) -> npt.NDArray[Any]:
        """The most probable label of each row."""
        probabilities = self.predict_proba(X)
        return np.asarray(self.classes_[probabilities.argmax(axis=1)])


class MLPRegressor(RegressorMixin, TabularMLP):  # type: ignore[misc]
    """A regressor for tables; `MLPClassifier` says when to use it and what the parameters mean.

    The target is standardised, the loss is the squared error, and predictions stay within the range of the
    training targets.

    Attributes:
        weights_: The network's weights by name.
        validation_losses_: Mean squared error of the standardised target after each epoch.
        best_epoch_: The epoch, from 1, with the lowest of them; 0 if none was finite.
        n_epochs_: Epochs that were begun, apart from those of the second training.
        out_of_time_: Whether the time limit ended training before early stopping did.
        refitted_: Whether the weights come from a second training on all rows.
        fallback_: How a learned optimizer diverged; see `MLPClassifier`.
        training_record_: Where the clock had a say; see `MLPClassifier`.
    """

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> Self:
        """Fit on (n, d) rows and n numbers; `MLPClassifier.fit` says what ``sample_weight`` does.

        Raises:
            OptionError: A parameter lies outside its range, the device is not there, or the weights are not n
                numbers of 0 or more, some of them positive.
        """
        started = time.monotonic()
        rows, values = validate_data(self, X, y, dtype=np.float64, ensure_all_finite="allow-nan", y_numeric=True)
        self._check_options(rows.shape[1])
        rows, target, weights = weighted_rows(rows, np.asarray(values, dtype=np.float64), sample_weight)
        self.target_range_ = (float(target.min()), float(target.max()))
        self.target_mean_, spread = float(target.mean()), float(target.std())
        self.target_scale_ = spread if spread > 0 else 1.0
        scaled = (target - self.target_mean_) / self.target_scale_
        self._fit_net(rows, scaled, weights, n_outputs=1, started=started)
        return self

    def predict(self, X: npt.ArrayLike) -> Floats:
        """Predicted values of (n, d) rows, (n,)."""
        values = self._predict_mean(X, np.float64) * self.target_scale_ + self.target_mean_
        return np.clip(values, *self.target_range_)
