"""Fits a `TabularNet`: an optimizer, a cosine schedule, early stopping at the best epoch, a time limit.

No data loader: the rows lie on the device, and an epoch is one permutation cut into slices.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import torch
import torch.nn.functional as F
from scipy.optimize import minimize_scalar
from torch import Tensor

from autometa.candidates._mlp_net import TabularNet
from autometa.candidates._mlp_optimizer import NetOptimizer
from autometa.candidates._mlp_timer import Phase, Timer

Weights = dict[str, Tensor]

_CHUNK = 1 << 15
_LEAST = 1e-15
_TEMPERATURE_SPREAD = 0.25

DIVERGED = 4.0
"""Times the initial validation loss above which a training has diverged."""


class Diverged(Exception):
    """A learned optimizer leads nowhere; the message says how. It does not leave this module."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows on a device: the inputs of `TabularNet.forward`, and ``y`` as int64 codes or floats.

    ``weights`` are float64 and positive; None weighs all rows alike.
    """

    numeric: Tensor
    flags: Tensor
    codes: Tensor
    y: Tensor
    weights: Tensor | None = None

    def __len__(self) -> int:
        return len(self.y)

    def take(self, index: Tensor) -> "Rows":
        """The rows at ``index``, in that order."""
        return Rows(*(column[index] for column in self._columns))

    def parts(self, n_parts: int) -> Iterator["Rows"]:
        """Cut into ``n_parts`` slices whose sizes differ by one row at most."""
        return (Rows(*part) for part in zip(*(c.tensor_split(n_parts) for c in self._columns), strict=True))

    def even(self) -> "Rows":
        """The same rows with weights that average 1."""
        return self if self.weights is None else replace(self, weights=self.weights / self.weights.mean())

    @property
    def _columns(self) -> tuple[Tensor, ...]:
        columns = (self.numeric, self.flags, self.codes, self.y)
        return columns if self.weights is None else (*columns, self.weights)


@dataclass(frozen=True, slots=True)
class Options:
    """How to train.

    ``timer`` says when to stop, and is good for one training. ``mixed_precision`` runs the forward pass in
    bfloat16. Tables with fewer than ``refit_below`` rows are trained once more on all of them. ``optimizer`` is one of
    those of `NetOptimizer`.
    """

    learning_rate: float
    weight_decay: float
    batch_size: int
    max_epochs: int
    patience: int
    label_smoothing: float
    timer: Timer
    mixed_precision: bool
    refit_below: int
    optimizer: str = "adamw"


@dataclass(frozen=True, slots=True)
class History:
    """What training did: the validation loss after each epoch, and the epoch (from 1) that was kept."""

    losses: tuple[float, ...]
    best_epoch: int
    out_of_time: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What `fit` did: how early stopping went, the temperature, and whether the net saw all rows.

    ``fallback`` says in words where a learned optimizer diverged and what was done; "" where none did.
    """

    history: History
    temperature: float
    refitted: bool
    fallback: str = ""


def members_loss(outputs: Tensor, y: Tensor, label_smoothing: float = 0.0, *, weights: Tensor | None = None) -> Tensor:
    """Mean over members of each member's own loss: cross-entropy for codes, squared error for floats.

    Each member learns as if alone, and only predictions are averaged (TabM, sec. 3.3). ``outputs`` is
    (ensemble_size, n_rows, n_outputs), ``y`` (n_rows,). Smoothing mixes the label with the uniform
    distribution, at that weight (Szegedy et al., 2016). ``weights`` (n_rows,) multiply the rows' losses; over all
    rows they average 1, but need not do so in a batch.
    """
    n_members = outputs.shape[0]
    reduction = "mean" if weights is None else "none"
    if y.is_floating_point():
        losses = F.mse_loss(outputs.squeeze(-1), y.expand(n_members, -1), reduction=reduction)
    else:
        labels = y.repeat(n_members)
        losses = F.cross_entropy(outputs.flatten(0, 1), labels, label_smoothing=label_smoothing, reduction=reduction)
    return losses if weights is None else (losses.view(n_members, -1) * weights.to(losses.dtype)).mean()


def predict(net: TabularNet, rows: Rows, temperature: float = 1.0) -> Tensor:
    """Mean over members, float64: probabilities (n_rows, n_classes), or values (n_rows,) for float targets.

    Class scores are divided by ``temperature`` first.
    """
    outputs = _outputs(net, rows)
    if rows.y.is_floating_point():
        return outputs.squeeze(-1).mean(0)
    return (outputs / temperature).softmax(-1).mean(0)


@torch.no_grad()
def _outputs(net: TabularNet, rows: Rows) -> Tensor:
    """What the members say, float64, computed in slices that fit into memory."""
    n_parts = max(1, math.ceil(len(rows) * net.spec.ensemble_size / _CHUNK))
    parts = rows.parts(n_parts)
    return torch.cat([net(part.numeric, part.flags, part.codes).double() for part in parts], dim=1)


def validation_loss(net: TabularNet, rows: Rows) -> float:
    """Log-loss or mean squared error of the ensemble's mean prediction; weights of the rows average 1."""
    predicted = predict(net, rows)
    if not rows.y.is_floating_point():
        return float(_log_loss(predicted, rows))
    if rows.weights is None:
        return float(F.mse_loss(predicted, rows.y.double()))
    return float((rows.weights * (predicted - rows.y.double()).square()).mean())


def _log_loss(predicted: Tensor, rows: Rows, reduction: str = "mean") -> Tensor:
    """Log-loss of (n_rows, n_classes) probabilities, its mean or its sum."""
    log = predicted.clamp_min(_LEAST).log()
    if rows.weights is None:
        return F.nll_loss(log, rows.y, reduction=reduction)
    losses = rows.weights * F.nll_loss(log, rows.y, reduction="none")
    return losses.sum() if reduction == "sum" else losses.mean()


def fit_temperature(net: TabularNet, held_out: Rows) -> float:
    """The temperature that suits the held-out rows best; 1 for float targets.

    Smoothed labels leave a net too modest, too many epochs too sure (Guo et al., 2017, *On Calibration of
    Modern Neural Networks*). Deviates from them by a prior, log T ~ N(0, 0.25^2), without which a handful
    of rows that happen to be right would send T to 0.
    """
    if held_out.y.is_floating_point():
        return 1.0
    outputs = _outputs(net, held_out)

    def loss(log_temperature: float) -> float:
        mean = (outputs / math.exp(log_temperature)).softmax(-1).mean(0)
        return float(_log_loss(mean, held_out, "sum")) + 0.5 * (log_temperature / _TEMPERATURE_SPREAD) ** 2

    found = minimize_scalar(loss, bounds=(-2.0, 2.0), method="bounded", options={"xatol": 1e-3})
    return math.exp(float(found.x))


def fit(
    net: TabularNet, rows: Rows, split: tuple[Tensor, Tensor], options: Options, generator: torch.Generator
) -> Outcome:
    """Train ``net`` in place: early stopping, temperature, and small tables once more on all rows.

    A small table can ill afford its held-out rows, so the net is then trained anew on all of them, from the
    same initial weights and for as many epochs as were best. When the time ends before that is done, the
    first net stays. ``split`` are the indices of the rows to train and to validate on; ``generator`` is a
    CPU one, it shuffles the rows and seeds the dropout masks.

    Where a learned optimizer diverges, AdamW trains instead, from the same initial weights, with the same draws and in
    the time that is left; where it diverges in the second training only, the first net stays.
    """
    initial, drawn, fallback = _snapshot(net), generator.get_state(), ""
    to_learn, held_out = (rows.take(index).even() for index in split)
    try:
        history = train(net, to_learn, held_out, options, generator)
    except Diverged as error:
        fallback = f"the learned optimizer diverged: {error}; AdamW trained instead"
        net.load_state_dict(initial)
        generator.set_state(drawn)
        options = replace(options, optimizer="adamw")
        history = train(net, to_learn, held_out, options, generator, phase="fallback")
    temperature = fit_temperature(net, held_out)
    spared = len(split[0]) + len(split[1]) == len(rows)
    wanted = spared and len(rows) < options.refit_below and history.best_epoch > 0 and not history.out_of_time
    refitted = False
    try:
        refitted = wanted and _refit(net, initial, rows, history.best_epoch, options, generator)
    except Diverged as error:
        fallback = f"the learned optimizer diverged on all rows: {error}; the net that learned without some is kept"
    return Outcome(history, temperature, refitted, fallback)


def train(
    net: TabularNet,
    rows: Rows,
    held_out: Rows,
    options: Options,
    generator: torch.Generator,
    *,
    phase: Phase = "training",
) -> History:
    """Train ``net`` in place and leave it with the weights of its best epoch.

    Stops after ``max_epochs``, after ``patience`` epochs without a lower loss on ``held_out``, or when the
    time is spent, in the middle of an epoch if need be. The learning rate follows a cosine from its full
    value to 0 over ``max_epochs`` or the time limit, whichever is nearer (Loshchilov, Hutter, 2017).

    Raises:
        Diverged: A loss of a learned optimizer is not finite, or above `DIVERGED` times the initial one after an epoch;
            or none was below the initial one in the end.
    """
    best = _Best(net)
    watch = _Watch(net, held_out) if options.optimizer == "learned" else None
    out_of_time = False
    for out_of_time in _epochs(net, rows, phase, options, generator):
        best.offer(net, validation_loss(net, held_out))
        if out_of_time or best.age >= options.patience:
            break
        if watch is not None:
            watch.during(best.losses)
    if watch is not None:
        watch.at_the_end(best.lowest)
    best.restore(net)
    return History(tuple(best.losses), best.epoch, out_of_time)


def _refit(
    net: TabularNet, initial: Weights, rows: Rows, n_epochs: int, options: Options, generator: torch.Generator
) -> bool:
    """Train anew for ``n_epochs``; out of time, put the weights back and say False.

    Raises:
        Diverged: As `train`; the weights are put back, too.
    """
    first, done = _snapshot(net), False
    net.load_state_dict(initial)
    watch = _Watch(net, rows) if options.optimizer == "learned" else None
    try:
        in_time = not any(islice(_epochs(net, rows, "refit", options, generator), n_epochs))
        if in_time and watch is not None:
            watch.at_the_end(validation_loss(net, rows))
        done = in_time
    finally:
        if not done:
            net.load_state_dict(first)
    return done


def _epochs(net: TabularNet, rows: Rows, phase: Phase, options: Options, generator: torch.Generator) -> Iterator[bool]:
    """Run an epoch per item, ``max_epochs`` at most; the item says whether the time is spent."""
    device = rows.y.device
    masks = torch.Generator(device).manual_seed(int(torch.randint(1 << 62, (), generator=generator)))
    optimizer = NetOptimizer(
        net, options.optimizer, learning_rate=options.learning_rate, weight_decay=options.weight_decay
    )
    n_batches = math.ceil(len(rows) / options.batch_size)
    for epoch in range(options.max_epochs):
        shuffled = rows.take(torch.randperm(len(rows), generator=generator).to(device))
        for i, batch in enumerate(shuffled.parts(n_batches)):
            share_of_epochs = (epoch + i / n_batches) / options.max_epochs
            progress, out_of_time = options.timer.progress(phase, epoch * n_batches + i, share_of_epochs)
            if out_of_time:
                yield True
                return
            loss = _step(net, batch, optimizer, cosine(progress), options, masks)
            if options.optimizer == "learned" and not loss.isfinite():
                raise Diverged(f"the training loss was {float(loss)} in epoch {epoch + 1}")
        yield False


def _snapshot(net: TabularNet) -> Weights:
    return {name: value.clone() for name, value in net.state_dict().items()}


class _Best:
    """The weights of the epoch with the lowest loss so far; the initial ones while no loss was finite."""

    def __init__(self, net: TabularNet) -> None:
        self.losses: list[float] = []
        self.epoch = 0
        self._weights = _snapshot(net)

    @property
    def age(self) -> int:
        return len(self.losses) - self.epoch

    @property
    def lowest(self) -> float:
        return self.losses[self.epoch - 1] if self.epoch else math.inf

    def offer(self, net: TabularNet, loss: float) -> None:
        lower = loss < self.lowest
        self.losses.append(loss)
        if lower:
            self.epoch = len(self.losses)
            self._weights = _snapshot(net)

    def restore(self, net: TabularNet) -> None:
        net.load_state_dict(self._weights)


class _Watch:
    """Sees that a training leads nowhere, by the loss on rows that the net has before it."""

    def __init__(self, net: TabularNet, rows: Rows) -> None:
        self._initial = validation_loss(net, rows)

    def during(self, losses: Sequence[float]) -> None:
        if not losses[-1] <= DIVERGED * self._initial:
            raise Diverged(f"the loss went from {self._initial:.3g} to {losses[-1]:.3g} in epoch {len(losses)}")

    def at_the_end(self, lowest: float) -> None:
        if not lowest <= self._initial:
            raise Diverged(f"the loss went from {self._initial:.3g} to no less than {lowest:.3g}")


def cosine(progress: float) -> float:
    """What multiplies updates after a share of the training: 1 at its beginning, 0 at its end."""
    return 0.5 * (1.0 + math.cos(math.pi * progress))


def _step(
    net: TabularNet,
    batch: Rows,
    optimizer: NetOptimizer,
    anneal: float,
    options: Options,
    masks: torch.Generator,
) -> Tensor:
    """One update; the loss before it."""
    with torch.autocast(batch.y.device.type, torch.bfloat16, enabled=options.mixed_precision):
        outputs = net(batch.numeric, batch.flags, batch.codes, generator=masks)
        loss = members_loss(outputs.float(), batch.y, options.label_smoothing, weights=batch.weights)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step(anneal, loss)
    return loss.detach()
