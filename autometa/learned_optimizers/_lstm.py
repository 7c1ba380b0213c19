"""The coordinatewise LSTM (Andrychowicz et al., 2016)."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn

from autometa.learned_optimizers._base import LearnedOptimizer, RuleAbility, RuleOptions, Slots
from autometa.learned_optimizers._cells import Cells
from autometa.learned_optimizers._layout import Layout
from autometa.metatraining import log_and_sign, seeded


@dataclass(frozen=True, slots=True, kw_only=True)
class LSTMOptions(RuleOptions):
    """Hyperparameters of `LSTM`.

    Attributes:
        n_hidden: Units of each layer.
        n_layers: Layers.
        preprocessing: Of the gradients: their logarithm and sign, or none, which is for quadratics.
        scale: What the network's output is multiplied by.
    """

    n_hidden: int = 20
    n_layers: int = 2
    preprocessing: Literal["log_and_sign", "none"] = "log_and_sign"
    scale: float = 0.1


class LSTM(LearnedOptimizer[LSTMOptions]):
    """A recurrent network of two layers that reads the gradient of a coordinate and writes its update.

    Andrychowicz et al. (2016), *Learning to learn by gradient descent by gradient descent*, NeurIPS,
    https://arxiv.org/abs/1606.04474, sec. 2.1 and app. A. Every coordinate has a state of its own, and all share the
    weights. It learns quickly what suits its optimizees, and little of what does not look like them. Deviations: none.
    """

    name: ClassVar = "lstm"
    options_class: ClassVar = LSTMOptions
    ability: ClassVar = RuleAbility(
        paper="Andrychowicz et al. (2016), Learning to learn by gradient descent by gradient descent, arXiv:1606.04474",
        inputs="gradient",
    )

    def __init__(self, options: LSTMOptions, *, seed: int = 0) -> None:
        super().__init__(options, seed=seed)
        with seeded(seed):
            n_signals = 2 if options.preprocessing == "log_and_sign" else 1
            self.cells = Cells(n_signals, options.n_hidden, options.n_layers)
            self.out = nn.Linear(options.n_hidden, 1)
        nn.init.zeros_(self.out.bias)

    def begin(self, weights: Tensor) -> tuple[Slots, Slots]:
        """All units are silent."""
        return self.cells.silent(weights), {}

    def signals(
        self, gradients: Tensor, weights: Tensor, statistics: Slots, *, layout: Layout, step: int, loss: Tensor | None
    ) -> tuple[Tensor, Slots]:
        """App. A."""
        if self.options.preprocessing == "none":
            return gradients.unsqueeze(-1), statistics
        return log_and_sign(gradients), statistics

    def move(self, signals: Tensor, weights: Tensor, memory: Slots, *, step: int) -> tuple[Tensor, Slots]:
        """Eq. 3."""
        hidden, memory = self.cells(signals, memory)
        return weights + self.options.scale * self.out(hidden).squeeze(-1), memory
