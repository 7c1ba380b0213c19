"""Layers of LSTM cells over coordinates.

`torch.nn.LSTMCell`, not the cell of `autometa.metatraining`: coordinates are its batch, so nothing is vmapped, and
nothing is differentiated twice; its fused kernels are the quicker ones, and on CUDA they are not cuDNN's.
"""

from itertools import pairwise

from torch import Tensor, nn

from autometa.learned_optimizers._base import Slots


class Cells(nn.Module):
    """A stack of cells.

    Args:
        n_in: Signals of a coordinate.
        n_hidden: Units of each layer.
        n_layers: Layers.
    """

    def __init__(self, n_in: int, n_hidden: int, n_layers: int) -> None:
        super().__init__()
        self.n_hidden = n_hidden
        self.layers = nn.ModuleList(nn.LSTMCell(a, b) for a, b in pairwise([n_in, *[n_hidden] * n_layers]))

    def silent(self, weights: Tensor) -> Slots:
        """The memory before the first step: zeros (..., n, n_hidden) for output and cell of each layer."""
        nothing = weights.new_zeros(*weights.shape, self.n_hidden)
        return {f"{part}{i}": nothing for i in range(len(self.layers)) for part in ("hidden", "cell")}

    def forward(self, x: Tensor, memory: Slots) -> tuple[Tensor, Slots]:
        """(..., n, n_in) to (..., n, n_hidden), and the memory after the step."""
        leading, after = x.shape[:-1], dict(memory)
        x = x.reshape(-1, x.shape[-1])
        for i, layer in enumerate(self.layers):
            before = (memory[f"hidden{i}"].reshape(-1, self.n_hidden), memory[f"cell{i}"].reshape(-1, self.n_hidden))
            x, cell = layer(x, before)
            after[f"hidden{i}"], after[f"cell{i}"] = x.view(*leading, -1), cell.view(*leading, -1)
        return x.view(*leading, -1), after
