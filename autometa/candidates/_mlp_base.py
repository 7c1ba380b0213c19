"""What the two MLP estimators share: parameters, and the network behind them."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted, validate_data

from autometa.candidates._mlp_inputs import InputPlan, holdout_split
from autometa.candidates._mlp_timer import Timer
from autometa.candidates._torch_estimator import TorchEstimator, threads
from autometa.errors import OptionError

if TYPE_CHECKING:
    import torch

    from autometa.candidates._mlp_net import NetSpec, TabularNet
    from autometa.candidates._mlp_train import Options, Rows

Floats = npt.NDArray[np.float64]
NumericEmbedding = Literal["none", "periodic"]
OptimizerName = Literal["adamw", "sgd", "learned"]

_PLAN = ("center", "scale", "missing", "levels", "missing_level")
_BOUNDS: dict[str, tuple[float, float]] = {
    "n_blocks": (0, 64),
    "width": (1, 65536),
    "n_frequencies": (1, 4096),
    "embedding_dim": (1, 4096),
    "frequency_scale": (0.0, 1e6),
    "ensemble_size": (1, 1024),
    "dropout": (0.0, 0.99),
    "learning_rate": (0.0, 10.0),
    "weight_decay": (0.0, 1e3),
    "batch_size": (1, 1 << 30),
    "max_epochs": (1, 1 << 30),
    "patience": (1, 1 << 30),
    "validation_fraction": (0.01, 0.9),
    "refit_below": (0, 1 << 60),
    "label_smoothing": (0.0, 0.99),
    "n_categorical": (0, 1 << 30),
}


class TabularMLP(TorchEstimator):
    """Base of `MLPClassifier`, which explains the parameters, and `MLPRegressor`."""

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
    ) -> None:
        self.n_categorical = n_categorical
        self.n_blocks = n_blocks
        self.width = width
        self.dropout = dropout
        self.numeric_embedding = numeric_embedding
        self.n_frequencies = n_frequencies
        self.embedding_dim = embedding_dim
        self.frequency_scale = frequency_scale
        self.ensemble_size = ensemble_size
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.refit_below = refit_below
        self.time_limit = time_limit
        self.replay = replay
        self.device = device
        self.mixed_precision = mixed_precision
        self.n_threads = n_threads
        self.random_state = random_state

    def _fit_net(
        self, X: Floats, y: npt.NDArray[Any], weights: Floats | None, *, n_outputs: int, started: float
    ) -> None:
        """Fit on codes (int64) or standardised values (float64) ``y``; sets every fitted attribute."""
        import torch

        from autometa.candidates._mlp_net import NetSpec, TabularNet
        from autometa.candidates._mlp_train import fit

        rng = np.random.default_rng(self._seed())
        generator = torch.Generator().manual_seed(int(rng.integers(1 << 62)))
        options = self._options(started)
        self._keep_plan(InputPlan.learn(X, self.n_categorical))
        self.net_spec_ = asdict(self._spec(n_outputs))
        device = self._device()
        split = holdout_split(y, self.validation_fraction, rng)
        with threads(self.n_threads):
            net = TabularNet(NetSpec(**self.net_spec_), generator).to(device)
            rows = self._rows(X, y, device, weights)
            train_on, validate_on = (torch.from_numpy(index).to(device) for index in split)
            outcome = fit(net, rows, (train_on, validate_on), options, generator)
        self.weights_ = {name: value.cpu().numpy() for name, value in net.state_dict().items()}
        self.temperature_ = outcome.temperature
        self.validation_losses_ = list(outcome.history.losses)
        self.best_epoch_ = outcome.history.best_epoch
        self.n_epochs_ = len(outcome.history.losses)
        self.out_of_time_ = outcome.history.out_of_time
        self.refitted_ = outcome.refitted
        self.fallback_ = outcome.fallback
        self.training_record_ = options.timer.record
        self._net = net.requires_grad_(False)

    def _predict_mean(self, X: Any, dtype: type[np.generic]) -> Floats:
        """Mean prediction of the ensemble; ``dtype`` is that of the target."""
        from autometa.candidates._mlp_train import predict

        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float64, ensure_all_finite="allow-nan")
        net = self._network()
        device = next(net.parameters()).device
        with threads(self.n_threads):
            rows = self._rows(X, np.zeros(len(X), dtype), device)
            return predict(net, rows, self.temperature_).cpu().numpy()

    def _blank_net(self) -> "TabularNet":
        import torch

        from autometa.candidates._mlp_net import NetSpec, TabularNet

        return TabularNet(NetSpec(**self.net_spec_), torch.Generator().manual_seed(0))

    def _keep_plan(self, plan: InputPlan) -> None:
        self.input_plan_ = {name: getattr(plan, name) for name in _PLAN}

    def _plan(self) -> InputPlan:
        return InputPlan(**self.input_plan_)

    def _rows(self, X: Floats, y: npt.NDArray[Any], device: "torch.device", weights: Floats | None = None) -> "Rows":
        import torch

        from autometa.candidates._mlp_train import Rows

        inputs = self._plan().apply(X)
        target = y.astype(np.float32) if y.dtype.kind == "f" else y
        arrays = [inputs.numeric, inputs.flags, inputs.codes, target]
        if weights is not None:
            arrays.append(weights)
        return Rows(*(torch.from_numpy(np.ascontiguousarray(array)).to(device) for array in arrays))

    def _spec(self, n_outputs: int) -> "NetSpec":
        from autometa.candidates._mlp_net import NetSpec

        plan = self._plan()
        return NetSpec(
            n_numeric=len(plan.center),
            n_flags=plan.n_flags,
            cardinalities=plan.cardinalities,
            n_outputs=n_outputs,
            n_blocks=self.n_blocks,
            width=self.width,
            dropout=self.dropout,
            numeric_embedding=self.numeric_embedding,
            n_frequencies=self.n_frequencies,
            embedding_dim=self.embedding_dim,
            frequency_scale=self.frequency_scale,
            ensemble_size=self.ensemble_size,
        )

    def _options(self, started: float) -> "Options":
        from autometa.candidates._mlp_train import Options

        return Options(
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            batch_size=self.batch_size,
            max_epochs=self.max_epochs,
            patience=self.patience,
            label_smoothing=getattr(self, "label_smoothing", 0.0),
            timer=Timer(started, self.time_limit, self.replay),
            mixed_precision=self.mixed_precision and self._device().type == "cuda",
            refit_below=self.refit_below,
            optimizer=self.optimizer,
        )

    def _check_options(self, n_columns: int) -> None:
        for name, (low, high) in _BOUNDS.items():
            value = getattr(self, name, low)
            if not low <= value <= high:
                raise OptionError(f"{name} must lie in [{low}, {high}], but got {value!r}.")
        if self.numeric_embedding not in ("none", "periodic"):
            raise OptionError(f"numeric_embedding must be 'none' or 'periodic', but got {self.numeric_embedding!r}.")
        if self.optimizer not in get_args(OptimizerName):
            known = ", ".join(map(repr, get_args(OptimizerName)))
            raise OptionError(f"optimizer must be one of {known}, but got {self.optimizer!r}.")
        if self.n_categorical > n_columns:
            raise OptionError(
                f"n_categorical counts the leading columns that are codes, but got {self.n_categorical} "
                f"for a table of {n_columns} columns."
            )
        if self.time_limit is not None and not self.time_limit > 0:
            raise OptionError(f"time_limit must be seconds above 0, or None, but got {self.time_limit!r}.")
