"""An LSTM cell from linear layers: it may be vmapped and differentiated twice, on every device."""

import torch
from torch import Tensor, nn


class LSTMCell(nn.Module):
    """One step of a long short-term memory (Hochreiter, Schmidhuber, 1997; forget gate of Gers et al., 2000).

    Args:
        n_in: Inputs.
        n_state: Length of the recurrent input, which may be longer than the output (the attention LSTM of Matching
            Networks).
        n_out: Length of output and memory; by default ``n_in``.
    """

    def __init__(self, n_in: int, n_state: int, n_out: int | None = None) -> None:
        super().__init__()
        self.n_out = n_out or n_in
        self.inputs = nn.Linear(n_in, 4 * self.n_out)
        self.recurrent = nn.Linear(n_state, 4 * self.n_out, bias=False)
        with torch.no_grad():
            self.inputs.bias[self.n_out : 2 * self.n_out].fill_(1.0)  # remember, to begin with

    def forward(self, x: Tensor, state: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """(..., n_in), (..., n_state), (..., n_out) to output and memory, (..., n_out) each."""
        enter, forget, write, leave = (self.inputs(x) + self.recurrent(state)).chunk(4, -1)
        memory = forget.sigmoid() * memory + enter.sigmoid() * write.tanh()
        return leave.sigmoid() * memory.tanh(), memory
