"""What moves the weights of a `TabularNet`: AdamW, SGD, or an optimizer that was trained itself.

What holds for all three:

- The cosine multiplies every update. A learned rule was trained without one; smaller steps at the end do it no harm,
  and take the noise of the batches out of the weights, as they do for the others.
- Weight decay is decoupled from the gradient (Loshchilov, Hutter, 2019) and pulls on weight matrices only: not on
  biases, norms, scalings or embeddings. A step shrinks them by the cosine times ``weight_decay`` times AdamW's
  learning rate, so that a weight decay means the same whatever the optimizer. A learned rule, which ignores
  ``learning_rate``, has the decay of AdamW's default rate.
- The parameters of the numeric embedding take `EMBEDDING_FACTOR` times the step of the others.
"""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from autometa.candidates._mlp_net import TabularNet
from autometa.errors import OptionError

if TYPE_CHECKING:
    from autometa.learned_optimizers import LearnedOptimizer

RULE = "tables"
"""The shipped rule that ``learned`` stands for."""

# Frequencies start small and have far to go: five times the learning rate lowered the error of a target with
# steps by a seventh, and the log-loss of phoneme by 3 %; most other tables of benchmarks/mlp.py changed little.
EMBEDDING_FACTOR = 5.0

# On seven tables of scikit-learn AdamW was best with rates of 0.001 and 0.003, SGD with 0.09 to 0.3.
SGD_FACTOR = 30.0
"""SGD's learning rate over AdamW's, so that one range of ``learning_rate`` suits both."""

# Without it, SGD diverged on three tables of three with numbers to predict from a rate of 0.1 on.
SGD_CLIP = 1.0
"""Norm to which SGD's gradients are clipped (Pascanu, Mikolov, Bengio, 2013)."""

DEFAULT_RATE = 3e-3
"""AdamW's default learning rate."""

_MOMENTUM = 0.9


class NetOptimizer:
    """One of the optimizers on the parameters of a net.

    Args:
        net: Whose parameters are moved.
        name: ``adamw``, ``sgd`` (with Nesterov's momentum and clipped gradients), or ``learned``.
        learning_rate: Of AdamW, at the start of the cosine.
        weight_decay: See above.

    Raises:
        OptionError: ``learned``, and the rule is not there.
    """

    def __init__(self, net: TabularNet, name: str, *, learning_rate: float, weight_decay: float) -> None:
        decayed, free, embedding = net.decayed_parameters(), net.free_parameters(), net.embedding_parameters()
        self._decayed: list[Tensor] = [*decayed]
        self._name, self._all = name, [*net.parameters()]
        self._optimizer: Any  # a torch.optim.Optimizer
        if name == "adamw":
            self._rate, self._decay = learning_rate, 0.0  # it decays the weights itself
            groups = _groups({"params": decayed, "weight_decay": weight_decay}, {"params": free}, embedding=embedding)
            self._optimizer = torch.optim.AdamW(groups, weight_decay=0.0, fused=True)
        elif name == "sgd":
            self._rate, self._decay = SGD_FACTOR * learning_rate, learning_rate * weight_decay
            groups = _groups({"params": [*decayed, *free]}, embedding=embedding)
            self._optimizer = torch.optim.SGD(groups, momentum=_MOMENTUM, nesterov=True)
        else:
            from autometa.learned_optimizers import TorchOptimizer

            self._rate, self._decay = 1.0, DEFAULT_RATE * weight_decay
            self._optimizer = TorchOptimizer(
                _groups({"params": [*decayed, *free]}, embedding=embedding), rule_for_tables()
            )

    def zero_grad(self) -> None:
        """Forget gradients."""
        self._optimizer.zero_grad(set_to_none=True)

    def step(self, anneal: float, loss: Tensor) -> None:
        """One update; ``anneal`` multiplies it, ``loss`` is that of the gradients."""
        for group in self._optimizer.param_groups:
            group["lr"] = self._rate * group["factor"] * anneal
        if self._decay:
            with torch.no_grad():
                torch._foreach_mul_(self._decayed, 1.0 - self._decay * anneal)
        if self._name == "sgd":
            nn.utils.clip_grad_norm_(self._all, SGD_CLIP)
        self._optimizer.step(loss.detach if self._name == "learned" else None)  # there are rules that read it


def _groups(*groups: dict[str, Any], embedding: list[nn.Parameter]) -> list[dict[str, Any]]:
    """Parameter groups with a ``factor`` each; those without parameters are left out."""
    slow = [{**group, "factor": 1.0} for group in groups]
    return [group for group in [*slow, {"params": embedding, "factor": EMBEDDING_FACTOR}] if group["params"]]


def rule_for_tables() -> "LearnedOptimizer[Any]":
    """The shipped rule.

    Raises:
        OptionError: It is not there.
        ModelError: Its files are damaged.
    """
    from autometa.learned_optimizers import load_rule, shipped_rules

    rules = shipped_rules()
    if RULE not in rules:
        raise OptionError(
            f"optimizer='learned' trains with the shipped rule {RULE!r}, but this installation has "
            f"{', '.join(map(repr, rules)) or 'no rule'}. Take optimizer='adamw', or install autometa again."
        )
    return load_rule(rules[RULE])
