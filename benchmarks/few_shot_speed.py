"""Meta-training episodes per second, beside easyfsl 1.5.0 and higher 0.2.1: same network, same episodes, one run.

Each side computes the loss of the same batch of episodes, its gradient, and a step of Adam; drawing episodes is not
counted. Sides take turns, and the median over the rounds counts. The network is Conv-4 with 64 filters on 28 x 28
pixels: with max pooling for the metric learners, with strides for MAML (second order, one inner step, 32 tasks), as in
their papers; on sine waves it is a perceptron with two layers of 40. The peers' wheels are installed into a folder of
their own, without what they depend on; of torchvision, which easyfsl only needs for other things, an empty stand-in is
enough.

    python benchmarks/few_shot_speed.py --peers FOLDER [--threads 1 2] [--rounds 7]
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from _report import write
from torch import Tensor, nn

from autometa.fewshot import (
    BackboneSpec,
    Episodes,
    FewShotLearner,
    Form,
    SineEpisodes,
    Support,
    make_backbone,
    make_learner,
)
from autometa.metatraining import generator_of

PEERS = ("easyfsl==1.5.0", "higher==0.2.1")
INNER_LR = 0.4
SEED = 0

Step = Callable[[], float]


def main() -> None:
    """Measure every case with every number of threads."""
    given = _arguments()
    _install(given.peers)
    rows = []
    for threads in given.threads:
        torch.set_num_threads(threads)
        for title, n_episodes, sides in _cases():
            rows.append([str(threads), title, *_raced(sides, n_episodes, given.rounds)])
            print(*rows[-1], sep=" | ", flush=True)
    heads = ["threads", "case", "autometa", "autometa in bfloat16", "easyfsl or higher", "ratio", "plain loop", "ratio"]
    remarks = (
        "Episodes per second: median and range over the rounds. Ratios are of single precision on both sides: above 1 "
        "autometa is quicker. MAML on Conv-4 is a matter of arithmetic, which no batching saves on a CPU: the "
        "convolutions with each task's own weights take most of the time. Tried without gain: torch.compile, "
        "channels_last, im2col with batched products, one task after the other, other chunks."
    )
    write("few_shot_speed", heads, rows, "python benchmarks/few_shot_speed.py --peers FOLDER", remarks)


def _raced(sides: dict[str, Step], n_episodes: int, rounds: int) -> list[str]:
    """Episodes per second of each side, and how many times quicker the first is."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds + 1):
        for name, step in sides.items():
            began = time.perf_counter()
            step()
            if turn:  # the first is for warming up
                seconds[name].append(time.perf_counter() - began)
    rates = {name: n_episodes / np.array(found) for name, found in seconds.items()}
    ours = float(np.median(rates["ours"]))
    cells = [f"{ours:.1f} ({rates['ours'].min():.1f} to {rates['ours'].max():.1f})"]
    for name in ("mixed", "peer", "loop"):
        if name in rates:
            theirs = float(np.median(rates[name]))
            cells.append(f"{theirs:.1f} ({rates[name].min():.1f} to {rates[name].max():.1f})")
            cells += [] if name == "mixed" else [f"{ours / theirs:.2f}"]
        else:
            cells += ["", ""]
    return cells


def _cases() -> list[tuple[str, int, dict[str, Step]]]:
    return [
        *(
            (f"{name}, {n_way}-way 1-shot, {n_query} queries", n, _metric(name, n_way, n_query, n))
            for name in ("prototypical", "matching with full context")
            for n_way, n_query, n in ((5, 15, 8), (20, 5, 4))
        ),
        ("MAML, 5-way 1-shot, 5 queries", 32, _maml(5, 1, 1, 32)),
        ("MAML, 20-way 1-shot, 20 queries", 16, _maml(20, 1, 1, 16)),
        ("MAML, sine waves, 10 points", 25, _sine(25)),
    ]


def _episodes(n_episodes: int, n_way: int, n_shot: int, n_query: int) -> Episodes:
    generator = generator_of(SEED)
    labels = torch.arange(n_way).repeat(n_episodes, 1)
    x = torch.rand(n_episodes, n_way * (n_shot + n_query), 1, 28, 28, generator=generator)
    n = n_way * n_shot
    return Episodes(Support(x[:, :n], labels.repeat(1, n_shot), n_way), x[:, n:], labels.repeat(1, n_query))


def _metric(name: str, n_way: int, n_query: int, n_episodes: int) -> dict[str, Step]:
    from easyfsl.methods import MatchingNetworks, PrototypicalNetworks

    form, spec = Form(shape=(1, 28, 28), n_way=n_way), BackboneSpec()
    episodes = _episodes(n_episodes, n_way, 1, n_query)
    full = name != "prototypical"
    options = {"full_context": True} if full else {}
    ours = make_learner("matching" if full else "prototypical", form, spec, options)
    backbone = make_backbone(form.shape, spec)
    theirs = MatchingNetworks(backbone, feature_dimension=64) if full else PrototypicalNetworks(backbone)

    def one_by_one() -> Tensor:
        losses = []
        for i in range(n_episodes):
            theirs.process_support_set(episodes.support.x[i], episodes.support.y[i])
            scores = theirs(episodes.x[i])
            losses.append(F.nll_loss(scores, episodes.y[i]) if full else F.cross_entropy(scores, episodes.y[i]))
        return torch.stack(losses).mean()

    return {**_ours(ours, episodes), "peer": _stepping(theirs, one_by_one)}


def _maml(n_way: int, n_shot: int, n_query: int, n_episodes: int) -> dict[str, Step]:
    """MAML on images: Conv-4 with strides."""
    spec = BackboneSpec(downsample="stride", norm="transductive")
    ours = make_learner("maml", Form(shape=(1, 28, 28), n_way=n_way), spec, {"inner_lr": INNER_LR, "n_inner_steps": 1})
    return _gradient_sides(ours, lambda: _Plain(n_way), _episodes(n_episodes, n_way, n_shot, n_query), F.cross_entropy)


def _sine(n_episodes: int) -> dict[str, Step]:
    """MAML on sine waves: a perceptron with two layers of 40, 10 points and 10 queries."""
    spec = BackboneSpec(name="mlp", width=40, depth=2, norm="none")
    form = Form(shape=(1,), n_way=0, n_shot=10)
    ours = make_learner("maml", form, spec, {"inner_lr": 0.01, "n_inner_steps": 1})
    episodes = SineEpisodes(n_shot=10, n_query=10).draw(n_episodes, generator_of(SEED))

    def plain() -> nn.Module:
        return nn.Sequential(nn.Linear(1, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 1))

    return _gradient_sides(ours, plain, episodes, F.mse_loss, lr=0.01)


def _gradient_sides(
    ours: FewShotLearner[Any],
    plain: Callable[[], nn.Module],
    episodes: Episodes,
    loss_of: Callable[[Tensor, Tensor], Tensor],
    lr: float = INNER_LR,
) -> dict[str, Step]:
    import higher

    n_episodes = len(episodes)
    theirs, looped = plain(), plain()
    inner = torch.optim.SGD(theirs.parameters(), lr=lr)

    def by_higher() -> Tensor:
        losses = []
        for i in range(n_episodes):
            with higher.innerloop_ctx(theirs, inner, copy_initial_weights=False) as (net, optimizer):
                optimizer.step(loss_of(net(episodes.support.x[i]), episodes.support.y[i]))
                losses.append(loss_of(net(episodes.x[i]), episodes.y[i]))
        return torch.stack(losses).mean()

    def by_loop() -> Tensor:
        losses = []
        for i in range(n_episodes):
            params: dict[str, Tensor] = dict(looped.named_parameters())
            answers = torch.func.functional_call(looped, params, (episodes.support.x[i],))
            gradients = torch.autograd.grad(
                loss_of(answers, episodes.support.y[i]), list(params.values()), create_graph=True
            )
            moved = {name: value - lr * slope for (name, value), slope in zip(params.items(), gradients, strict=True)}
            losses.append(loss_of(torch.func.functional_call(looped, moved, (episodes.x[i],)), episodes.y[i]))
        return torch.stack(losses).mean()

    return {**_ours(ours, episodes), "peer": _stepping(theirs, by_higher), "loop": _stepping(looped, by_loop)}


def _ours(learner: FewShotLearner[Any], episodes: Episodes) -> dict[str, Step]:
    """A step as `meta_train` takes it, in single precision and in bfloat16."""
    n_episodes = len(episodes)
    size = learner.chunk_size("cpu") or n_episodes

    def chunked(mixed: bool) -> Tensor:
        total = torch.zeros(())
        for first in range(0, n_episodes, size):
            part = episodes.part(first, min(first + size, n_episodes))
            with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
                loss = learner.meta_loss(part) * (len(part) / n_episodes)
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        return total

    return {
        "ours": _stepping(learner, lambda: chunked(mixed=False)),
        "mixed": _stepping(learner, lambda: chunked(mixed=True)),
    }


class _Plain(nn.Module):
    """The same network of torch's own modules."""

    def __init__(self, n_way: int) -> None:
        super().__init__()
        sizes = [1, 64, 64, 64, 64]
        blocks = [
            layer
            for a, b in pairwise(sizes)
            for layer in (
                nn.Conv2d(a, b, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(b, track_running_stats=False),
                nn.ReLU(),
            )
        ]
        self.body, self.head = nn.Sequential(*blocks), nn.Linear(64, n_way)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 1, 28, 28) to (n, n_way)."""
        found: Tensor = self.head(self.body(x).mean((2, 3)))
        return found


def _stepping(model: nn.Module, loss_of: Callable[[], Tensor]) -> Step:
    """One outer step; a loss that has been differentiated already is not again."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    model.train()

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of()
        if loss.requires_grad:
            loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return float(loss.detach())

    return step


def _install(folder: Path) -> None:
    if not (folder / "easyfsl").is_dir():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), *PEERS]
        subprocess.run(command, check=True)
    sys.path.append(str(folder))
    for name in ("torchvision", "torchvision.models", "torchvision.models.resnet", "torchvision.datasets"):
        sys.modules.setdefault(name, _Anything(name))


class _Anything(ModuleType):
    """A module that has whatever is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=Path, required=True, help="folder for the peers' wheels")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=7)
    return parser.parse_args()


if __name__ == "__main__":
    main()
