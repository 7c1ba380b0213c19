"""What meta-trainings share: the outer loop, checkpoints, seeds, devices, cards, and recurrent parts.

Both the few-shot learners and the learned optimizers are trained by an `OuterLoop`: many outer steps, looks at problems
that training does not see, checkpoints from which a killed training goes on to the bit.
"""

from autometa.metatraining._cards import read_card, shipped_model, shipped_models
from autometa.metatraining._checkpoint import Checkpoint
from autometa.metatraining._devices import device_of
from autometa.metatraining._gated import GatedState, GatedUpdate
from autometa.metatraining._loop import Looked, OuterLoop, Plan
from autometa.metatraining._lstm import LSTMCell
from autometa.metatraining._options import options_of
from autometa.metatraining._outer import OuterOptimizer, Schedule, annealed, snapshot
from autometa.metatraining._seeds import generator_of, seeded
from autometa.metatraining._signals import log_and_sign

__all__ = [
    "Checkpoint",
    "GatedState",
    "GatedUpdate",
    "LSTMCell",
    "Looked",
    "OuterLoop",
    "OuterOptimizer",
    "Plan",
    "Schedule",
    "annealed",
    "device_of",
    "generator_of",
    "log_and_sign",
    "options_of",
    "read_card",
    "seeded",
    "shipped_model",
    "shipped_models",
    "snapshot",
]
