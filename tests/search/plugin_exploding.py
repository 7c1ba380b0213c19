"""The MLP with an optimizer that explodes, in a process of its own, as a plug-in."""

from dataclasses import replace

from autometa.candidates import MLP, _mlp_optimizer, candidate_entry
from autometa.learned_optimizers import make_rule
from autometa.records import TaskType
from autometa.spaces import SearchSpace

_mlp_optimizer.rule_for_tables = lambda: make_rule("adam", {"lr": 1e3})


class Exploding(MLP):
    """It explodes."""

    name = "exploding"

    def space_for(self, task: TaskType | None) -> SearchSpace:
        narrow = {"optimizer": ["learned"], "width": (32, 33), "n_blocks": (1, 1), "ensemble_size": (1, 1)}
        return replace(MLP().space_for(task).restrict(narrow), name=self.name)


exploding = candidate_entry(Exploding)
