"""The update of the Meta-Learner LSTM (Ravi, Larochelle, 2017): its cell state are the weights that it updates.

Both the few-shot learner and the learned optimizer of that name are this rule.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from autometa.metatraining._lstm import LSTMCell
from autometa.metatraining._seeds import seeded
from autometa.metatraining._signals import log_and_sign


@dataclass(frozen=True, slots=True)
class GatedState:
    """What the rule remembers of each weight: (..., n, n_hidden) twice, and its gates (2, ..., n): forget, input."""

    hidden: Tensor
    memory: Tensor
    gates: Tensor


class GatedUpdate(nn.Module):
    """theta_t = f_t theta_(t-1) - i_t g_t, whose gates read the gradient, the loss, the weight and themselves.

    Ravi, Larochelle (2017), *Optimization as a Model for Few-Shot Learning*, ICLR, eq. 2 and 3: the input gate is a
    learning rate, the forget gate a decay. All weights share one LSTM and one pair of gates, and each has a state of
    its own. Gradients and losses count as inputs, without derivatives of their own.

    Args:
        n_hidden: Units of the LSTM that reads.
        seed: Of the initial weights.
    """

    def __init__(self, n_hidden: int, seed: int) -> None:
        super().__init__()
        self.n_hidden = n_hidden
        with seeded(seed):
            self.reader = LSTMCell(4, n_hidden, n_hidden)
            for weight in self.reader.parameters():
                nn.init.uniform_(weight, -0.01, 0.01)
            self.gates = nn.Linear(n_hidden + 2, 2)
            nn.init.uniform_(self.gates.weight, -0.01, 0.01)
            with torch.no_grad():
                self.gates.bias[0].uniform_(4.0, 5.0)  # forget gate: keep
                self.gates.bias[1].uniform_(-5.0, -4.0)  # input gate: a small rate

    def start(self, weights: Tensor) -> GatedState:
        """The state before the first update of ``weights`` (..., n); all of them start with the same gates."""
        nothing = weights.new_zeros(*weights.shape, self.n_hidden)
        gates = torch.stack([torch.ones_like(weights), torch.zeros_like(weights)])
        return GatedState(nothing, nothing, gates)

    def forward(self, weights: Tensor, gradients: Tensor, loss: Tensor, state: GatedState) -> tuple[Tensor, GatedState]:
        """One update.

        Args:
            weights: Shape (..., n).
            gradients: The same shape; no derivative goes through them.
            loss: Of any shape that broadcasts to it, such as a scalar; nor through it.
            state: From `start` or the update before.
        """
        gradients = gradients.detach()
        told = log_and_sign(loss.detach()).expand(*gradients.shape, 2)
        seen = torch.cat([log_and_sign(gradients), told], -1)
        hidden, memory = self.reader(seen, state.hidden, state.memory)
        gates = torch.stack([self._gate(i, hidden, weights, state.gates[i]) for i in range(2)]).sigmoid()
        return gates[0] * weights - gates[1] * gradients, GatedState(hidden, memory, gates)

    def _gate(self, i: int, hidden: Tensor, weights: Tensor, before: Tensor) -> Tensor:
        inputs = torch.cat([hidden, torch.stack([weights, before], -1)], -1)
        return inputs @ self.gates.weight[i] + self.gates.bias[i]
