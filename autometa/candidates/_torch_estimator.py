"""What estimators share that are torch networks: weights in and out, device, seed, threads.

torch is imported when an estimator is fitted or predicts, never before. What is fitted is kept as NumPy
arrays, so that saving needs no torch and no pickle; the torch module is rebuilt from them when needed.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from autometa.errors import ModelError, OptionError

if TYPE_CHECKING:
    import torch

Weights = dict[str, npt.NDArray[np.float32]]


class TorchEstimator(BaseEstimator):  # type: ignore[misc]
    """Base of estimators that are torch networks.

    A member has parameters ``device`` and ``random_state``, keeps the fitted network's tensors in ``weights_`` and
    the network itself in ``_net``, and can make an untrained one of the same form in `_blank_net`.
    """

    device: str
    random_state: int | np.random.RandomState | None
    weights_: Weights
    _net: "torch.nn.Module | None"

    @abstractmethod
    def _blank_net(self) -> "torch.nn.Module":
        """A network of the fitted form, on the CPU, with any weights."""

    def export_weights(self) -> Weights:
        """A copy of the network's weights by name, float32, for a safetensors file."""
        check_is_fitted(self)
        return {name: value.copy() for name, value in self.weights_.items()}

    def import_weights(self, weights: Mapping[str, npt.NDArray[np.floating[Any]]]) -> Self:
        """Put back weights from `export_weights`; an empty mapping takes them out.

        Without its weights a fitted estimator is small, and cannot predict until they are back: that is how
        they travel in a file of their own.

        Raises:
            ModelError: A name is missing or foreign, or a shape differs; nothing is changed then.
        """
        check_is_fitted(self)
        if weights:
            self._check_weights({name: np.shape(value) for name, value in weights.items()})
        self.weights_ = {name: np.array(value, dtype=np.float32) for name, value in weights.items()}
        self._net = None
        return self

    def _check_weights(self, given: Mapping[str, tuple[int, ...]]) -> None:
        needed = {name: tuple(value.shape) for name, value in self._blank_net().state_dict().items()}
        wrong = sorted(name for name in {*needed, *given} if needed.get(name) != given.get(name))
        if wrong:
            raise ModelError(
                "Weights must have the names and shapes of this network, but these are missing, foreign or of "
                f"another shape: {', '.join(wrong)}. Import what export_weights() gave for the same model."
            )

    def _network(self) -> Any:
        """The torch module, built from ``weights_`` where it is not there."""
        import torch

        net = getattr(self, "_net", None)
        if net is None:
            net = self._blank_net()
            if net.state_dict() and not self.weights_:
                raise ModelError("This network is without its weights. Call import_weights() first.")
            net.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in self.weights_.items()})
            net = self._net = net.to(self._device()).requires_grad_(False)
        return net

    def __getstate__(self) -> dict[str, Any]:
        state = cast("dict[str, Any]", super().__getstate__())
        return {name: value for name, value in state.items() if name != "_net"}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _device(self) -> "torch.device":
        import torch

        cuda = torch.cuda.is_available()
        if self.device == "auto":
            return torch.device("cuda" if cuda else "cpu")
        try:
            device = torch.device(self.device)
        except RuntimeError as error:
            raise OptionError(f"device must be 'auto', 'cpu' or 'cuda', but got {self.device!r}.") from error
        if device.type == "cuda" and not cuda:
            raise OptionError(f"device={self.device!r} needs a CUDA device, and there is none. Use device='auto'.")
        return device

    def _seed(self) -> int | None:
        if isinstance(self.random_state, np.random.RandomState):
            return int(self.random_state.randint(np.iinfo(np.int32).max))
        return self.random_state


@contextmanager
def threads(n_threads: int | None) -> Iterator[None]:
    """Give torch that many threads for a while; None leaves them as they are."""
    import torch

    before = torch.get_num_threads()
    if n_threads is not None and n_threads != before:
        torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        if torch.get_num_threads() != before:
            torch.set_num_threads(before)
