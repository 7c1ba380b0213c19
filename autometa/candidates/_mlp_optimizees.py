"""The MLP candidate's own networks as optimizees: rules are trained on just what the candidate trains.

Importing this module enters `CandidateNets` into `autometa.learned_optimizers.OPTIMIZEES`, as ``mlp_candidate``.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call

from autometa.candidates._mlp import MLP
from autometa.candidates._mlp_base import TabularMLP
from autometa.candidates._mlp_estimator import MLPClassifier, MLPRegressor
from autometa.candidates._mlp_inputs import InputPlan, holdout_split
from autometa.candidates._mlp_net import NetSpec, TabularNet
from autometa.candidates._mlp_optimizer import EMBEDDING_FACTOR
from autometa.candidates._mlp_train import Rows as NetRows
from autometa.candidates._mlp_train import cosine, members_loss
from autometa.datasets import Dataset
from autometa.errors import OptionError
from autometa.learned_optimizers import (
    OPTIMIZEES,
    Batch,
    Params,
    Problems,
    Rows,
    Split,
    TablePerceptron,
    optimizees_entry,
)
from autometa.metatraining import generator_of

_EMBEDDING = "numeric."  # how the names of the numeric embedding's parameters begin
_ENOUGH_JUDGES, _MOST_HELD_OUT = 256, 0.9
_LEAST = {"width": 1, "n_blocks": 0, "ensemble_size": 1, "batch_size": 1, "held_out": 0, "cosine_steps": 0}


class CandidateNets(TablePerceptron):
    """Networks of the MLP candidate on tables, classification or regression; each draw takes one of the tables.

    All is as in `MLPClassifier` and `MLPRegressor`: what becomes of the columns, the network and where it starts, the
    epochs of shuffled batches, the cosine that multiplies updates, the mean loss of the members on held-out rows, by
    which optimizations are judged: on the rows that a small table learns from, the fastest optimizer is the one that
    overfits first. Left out is what makes training noisier or is not the rule's: dropout, label smoothing and weight
    decay. Tables are shared between the splits as `TablePerceptron` does.

    The candidate gives the parameters of the numeric embedding `EMBEDDING_FACTOR` times the step of the others, of
    which a rule knows nothing. Here these parameters are in units of that factor instead (`Problems.scales`): where
    the rule moves one by u, the network's own moves by the factor times u. For rules that do not see the scale of
    gradients and weights, such as ``adam``, ``rnnprop`` and ``small_mlp``, the two are the same. For plain SGD it would
    be the root of the factor, as its gradients grow with the unit, too.

    Args:
        tables: Rows by name, as numbers of any scale; NaN is missing. None takes five tables that come with
            scikit-learn. `candidate_rows` makes them as the candidate does.
        n_categorical: By name of the table: how many of its first columns are category codes; 0 where it is missing.
        width: As of `MLPClassifier`, like those below.
        n_blocks: See there.
        ensemble_size: See there.
        batch_size: See there.
        held_out: Share of the rows that judge; 0 judges by those that are learned from.
        cosine_steps: Steps after which the cosine is at 0; 0 leaves it out.
    """

    name: ClassVar = "mlp_candidate"
    horizon: ClassVar = 200

    def __init__(
        self,
        *,
        tables: Mapping[str, Rows] | None = None,
        n_categorical: Mapping[str, int] | None = None,
        width: int = 128,
        n_blocks: int = 2,
        ensemble_size: int = 4,
        batch_size: int = 128,
        held_out: float = 0.2,
        cosine_steps: int = horizon,
    ) -> None:
        super().__init__(tables=tables, width=width, batch_size=batch_size)
        self._n_categorical = dict(n_categorical or {})
        if unknown := sorted(self._n_categorical.keys() - self._tables.keys()):
            raise OptionError(
                f"n_categorical is by name of a table, but there is no table {unknown[0]!r}. There are: "
                f"{', '.join(sorted(self._tables))}."
            )
        self.n_blocks, self.ensemble_size = n_blocks, ensemble_size
        self.held_out, self.cosine_steps = held_out, cosine_steps
        for option, least in _LEAST.items():
            value = getattr(self, option)
            if not value >= least:
                raise OptionError(f"{option} of {self.name} is at least {least}, but got {value!r}. Raise it.")
        if held_out > _MOST_HELD_OUT:
            raise OptionError(
                f"held_out of {self.name} is a share of the rows up to {_MOST_HELD_OUT:g}, but got {held_out!r}. "
                "Lower it."
            )

    @property
    def description(self) -> dict[str, int | float | str]:
        """As of `TablePerceptron`, with this network."""
        told = {key: value for key, value in super().description.items() if key not in ("depth", "activation")}
        own = ("n_blocks", "ensemble_size", "held_out", "cosine_steps")
        return {**told, **{name: getattr(self, name) for name in own}}

    def _on(self, name: str, n_problems: int, generator: torch.Generator, split: Split) -> Problems:
        rows = self._tables[name]
        if len(self.names(split)) == len(self._tables):  # too few to share them between the splits: rows are
            rows = rows.split()[split]
        spec, prepared = self._prepared(rows, self._n_categorical.get(name, 0))
        nets = [TabularNet(spec, generator) for _ in range(n_problems)]
        starts = [{key: value.detach() for key, value in net.named_parameters()} for net in nets]
        stacked = {key: torch.stack([start[key] for start in starts]) for key in starts[0]}
        units = {key: EMBEDDING_FACTOR if key.startswith(_EMBEDDING) else 1.0 for key in stacked}
        params = {key: (value / units[key]).to(self.device) for key, value in stacked.items()}
        scales = None
        if any(unit != 1.0 for unit in units.values()):
            scales = torch.cat([torch.full_like(value.flatten(1), units[key]) for key, value in params.items()], 1)
        key = int(torch.randint(1 << 31, (), generator=generator))
        judges = None
        if self.held_out:
            # None of those that judge is learned from; more of them than this would cost more than they tell.
            which = holdout_split(prepared.y.cpu().numpy(), self.held_out, np.random.default_rng(key))
            learned, judging = (torch.from_numpy(index).to(self.device) for index in which)
            judges = _named(prepared.take(judging[:_ENOUGH_JUDGES].expand(n_problems, -1)))
            prepared = prepared.take(learned)
        batches = _Batches(prepared, n_problems, self.batch_size, key)
        rate = _Cosine(self.cosine_steps) if self.cosine_steps else None
        return Problems(params, _Loss(nets[0]), batches, scales, judges, rate)

    def _prepared(self, rows: Rows, n_categorical: int) -> tuple[NetSpec, NetRows]:
        """The network that the candidate would make for a table, and the table as it would read it."""
        x, y = rows.x.flatten(1).double().numpy(), rows.y.numpy()
        member: type[TabularMLP] = MLPRegressor if rows.y.is_floating_point() else MLPClassifier
        candidate = member(
            n_categorical=n_categorical,
            width=self.width,
            n_blocks=self.n_blocks,
            ensemble_size=self.ensemble_size,
            dropout=0.0,
        )
        if rows.y.is_floating_point():
            y = y.astype(np.float64)
            y = (y - y.mean()) / (y.std() or 1.0)
        candidate._keep_plan(InputPlan.learn(x, n_categorical))
        return candidate._spec(rows.n_out), candidate._rows(x, y, torch.device(self.device))


class _Loss:
    """The candidate's loss of one network."""

    def __init__(self, net: TabularNet) -> None:
        self._net = net

    def __call__(self, params: Params, data: Batch) -> Tensor:
        outputs = functional_call(self._net, params, (data["numeric"], data["flags"], data["codes"]))
        return members_loss(outputs, data["y"])


class _Batches:
    """The candidate's batches, for each network in an order of its own: an epoch is a permutation cut into parts."""

    def __init__(self, rows: NetRows, n_problems: int, batch_size: int, key: int) -> None:
        self._rows, self._n_batches = rows, math.ceil(len(rows) / batch_size)

        @lru_cache(maxsize=1)
        def orders(epoch: int) -> Tensor:
            drawn = torch.rand(n_problems, len(rows), generator=generator_of(key, epoch))
            return drawn.argsort(1).to(rows.y.device)

        self._orders = orders

    def __call__(self, step: int) -> Batch:
        epoch, part = divmod(step, self._n_batches)
        chosen = self._orders(epoch).tensor_split(self._n_batches, dim=1)[part]
        return _named(self._rows.take(chosen))


def _named(rows: NetRows) -> Batch:
    return {"numeric": rows.numeric, "flags": rows.flags, "codes": rows.codes, "y": rows.y}


@dataclass(frozen=True, slots=True)
class _Cosine:
    """The candidate's schedule over so many steps."""

    n_steps: int

    def __call__(self, step: int) -> float:
        return cosine(min(step / self.n_steps, 1.0))


def candidate_rows(dataset: Dataset) -> tuple[Rows, int]:
    """A table as the candidate prepares it, and how many of its first columns are category codes."""
    prepare = MLP().prepare({}, schema=dataset.schema, seed=0)
    x = np.asarray(prepare.fit_transform(dataset.X, dataset.y), dtype=np.float64)
    y = torch.from_numpy(dataset.y.to_numpy(copy=True))
    return Rows(torch.from_numpy(x), y), len(dataset.schema.names("categorical"))


OPTIMIZEES.register(optimizees_entry(CandidateNets))
