"""A knowledge base of 10,000 datasets and 10 million runs: what opening, asking, adding and compacting cost.

The base is synthetic: made with a seed, through the public functions, in a temporary folder. Its 3 million runs of
``tabular`` have that space's conditions and ranges; the rest belongs to two spaces of one family. Runs come in batches
of 1,250 datasets scattered over the base, as imports bring them; one compaction follows. Each figure is the median of
``--repeats`` measurements in one run, the least and most beside it.

    python benchmarks/knowledge_scale.py [--datasets 10000] [--runs 10000000] [--repeats 7] [--folder FOLDER]

``--folder`` keeps the base there, and takes it as it is where it was made before.
"""

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _report import write

from autometa.knowledge import KnowledgeBase, Source
from autometa.records import DatasetRecord, MetaFeatures
from autometa.spaces import SearchSpace, load_space

SHARES = {"tabular": 0.3, "random_forest": 0.35, "svm": 0.35}
METRICS = ("roc_auc", "log_loss")
PER_DATASET = 200
BATCH = 1_250
QUALITIES = 40
ASKED = 500
APPENDED = 1_000
WRITERS, READERS, APPENDS = 8, 2, 12


def main() -> None:
    """Make the base, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=10_000_000)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        path = options.folder or Path(temporary) / "kb"
        rows = [*made(path, options.datasets, options.runs), *measured(path, options.datasets, options.repeats)]
        rows += at_once(path)
    command = f"python benchmarks/knowledge_scale.py --datasets {options.datasets} --runs {options.runs}"
    write("knowledge_scale", ["what", "median", "least", "most", "target"], rows, command, REMARKS)


REMARKS = (
    "First calls are made by a base that was just opened in a process that has loaded its libraries: they read the "
    "footers of the space's files, or all meta-features. The nearest datasets are those of "
    f"`KnowledgeBase.nearest`: the distance of warm starts over {QUALITIES} meta-features, without reading runs. "
    f"The runs of {ASKED} datasets are all columns of all their rows, as a DataFrame. Memory is the growth of the "
    "process's peak resident size during the query, in a process of its own that has asked for one dataset before."
)


def made(path: Path, n_datasets: int, n_runs: int) -> Iterator[list[str]]:
    """Make the base where there is none; tell what that took."""
    if not (path / "manifest.json").exists():
        began = time.perf_counter()
        kb = KnowledgeBase(path)
        kb.add_source(Source("synthetic", "CC0-1.0"))
        rng = np.random.default_rng(0)
        add_datasets(kb, n_datasets, rng)
        for space, share in SHARES.items():
            for frame in batches(load_space(space, task="binary"), n_datasets, int(n_runs * share), rng):
                kb.add_run_table(space, frame)
        yield ["making it: seconds to add all runs, 250,000 at a time", *_once(time.perf_counter() - began), ""]
        began = time.perf_counter()
        kb.compact()
        yield ["compaction of all of it: seconds", *_once(time.perf_counter() - began), ""]
    size = sum(file.stat().st_size for file in path.rglob("*.parquet"))
    yield ["size on disk: MB", *_once(size / 1e6), ""]
    yield ["files", *_once(len(list(path.rglob("*.parquet")))), ""]


def name_of(number: int) -> str:
    """Id of a dataset."""
    return f"synthetic/{number:05d}"


def add_datasets(kb: KnowledgeBase, count: int, rng: np.random.Generator) -> None:
    """Add records and heavy-tailed meta-features, a tenth of them missing."""
    values = np.exp(rng.normal(0, 3, (count, QUALITIES)))
    values[rng.random(values.shape) < 0.1] = np.nan
    records = [DatasetRecord(name_of(i), f"table {i}", "binary", "synthetic") for i in range(count)]
    described = {
        name_of(i): MetaFeatures(name_of(i), {f"Quality{j:02d}": float(values[i, j]) for j in range(QUALITIES)})
        for i in range(count)
    }
    kb.add_datasets(records, described)


def batches(space: SearchSpace, n_datasets: int, n_runs: int, rng: np.random.Generator) -> Iterator[pd.DataFrame]:
    """Tables of runs of scattered datasets; each dataset gets the same number in the end."""
    pool = pd.DataFrame([space.to_row(space.sample(rng)) for _ in range(5_000)]).convert_dtypes()
    rounds = max(1, n_runs // (n_datasets * PER_DATASET))
    per_dataset = n_runs // (n_datasets * rounds)
    for _ in range(rounds):
        order = rng.permutation(n_datasets)
        for start in range(0, n_datasets, BATCH):
            chosen = np.repeat(order[start : start + BATCH], per_dataset)
            yield runs_of(space, pool, chosen, rng)


def runs_of(space: SearchSpace, pool: pd.DataFrame, numbers: Any, rng: np.random.Generator) -> pd.DataFrame:
    """Runs with the conditions of configurations of the pool, and numbers of their own for ranges of floats."""
    frame = pool.iloc[rng.integers(0, len(pool), len(numbers))].reset_index(drop=True)
    for one in space.hyperparameters:
        if one.type == "float":
            low, high = one.bounds
            drawn = rng.random(len(frame))
            drawn = low * (high / low) ** drawn if one.log else low + (high - low) * drawn
            frame[one.name] = np.where(frame[one.name].notna(), drawn, np.nan)
    ids = pd.Series([name_of(i) for i in range(int(numbers.max()) + 1)], dtype="str").iloc[numbers]
    metric = rng.integers(0, len(METRICS), len(frame))
    return frame.assign(
        dataset_id=ids.array,
        metric=pd.Series(METRICS, dtype="str").iloc[metric].array,
        direction=pd.Series(("maximize", "minimize"), dtype="str").iloc[metric].array,
        value=rng.random(len(frame)),
        duration=rng.exponential(3, len(frame)),
        source=pd.Series(["synthetic"], dtype="str").iloc[np.zeros(len(frame), dtype=int)].array,
    )


def timed(work: Callable[[], object], repeats: int) -> list[str]:
    """Median, least and most of the seconds that something takes."""
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return [f"{figure:.4f}" for figure in (np.median(seconds), min(seconds), max(seconds))]


def measured(path: Path, n_datasets: int, repeats: int) -> Iterator[list[str]]:
    """One row per question."""
    rng = np.random.default_rng(1)
    KnowledgeBase(path).datasets()  # the libraries are loaded from here on
    target = target_of(rng)
    chosen = [name_of(int(i)) for i in rng.choice(n_datasets, min(ASKED, n_datasets), replace=False)]
    kb = KnowledgeBase(path)

    def ask(base: KnowledgeBase) -> pd.DataFrame:
        return base.runs("tabular", dataset_ids=chosen)

    ask(kb)
    kb.nearest(target)
    yield ["opening: seconds", *timed(lambda: KnowledgeBase(path), repeats), "< 0.5"]
    yield ["nearest 10 datasets, first call: seconds", *timed(lambda: KnowledgeBase(path).nearest(target), repeats), ""]
    yield ["nearest 10 datasets: seconds", *timed(lambda: kb.nearest(target_of(rng)), 3 * repeats), "< 0.05"]
    yield [f"runs of {ASKED} datasets, first call: seconds", *timed(lambda: ask(KnowledgeBase(path)), repeats), ""]
    yield [f"runs of {ASKED} datasets: seconds", *timed(lambda: ask(kb), repeats), "< 1"]
    yield [f"append of {APPENDED:,} runs: seconds", *timed(lambda: append(kb, rng), repeats), "< 0.3"]
    again = lambda: append(kb, rng, only_new=True)  # noqa: E731
    yield [f"append of {APPENDED:,} runs, only new ones: seconds", *timed(again, repeats), ""]
    yield ["compaction after these appends: seconds", *timed(kb.compact, 1), ""]
    yield ["counting all of it (info): seconds", *timed(kb.info, 1), ""]
    yield ["checking all of it (verify): seconds", *timed(kb.verify, 1), ""]
    yield from memory(path, chosen)


def target_of(rng: np.random.Generator) -> MetaFeatures:
    """A described table that is not in the base."""
    return MetaFeatures("target", {f"Quality{j:02d}": float(np.exp(rng.normal(0, 3))) for j in range(QUALITIES)})


def append(kb: KnowledgeBase, rng: np.random.Generator, *, only_new: bool = False) -> None:
    """Add runs of one dataset."""
    space = load_space("svm", task="binary")
    pool = pd.DataFrame([space.to_row(space.sample(rng)) for _ in range(20)]).convert_dtypes()
    frame = runs_of(space, pool, np.full(APPENDED, int(rng.integers(0, 100))), rng)
    kb.add_run_table("svm", frame, only_new=only_new)


def memory(path: Path, chosen: Sequence[str]) -> Iterator[list[str]]:
    """Peak memory of the query, and the size of its answer."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=_peak, args=(path, list(chosen), queue))
    process.start()
    grown, answer, rows = queue.get()
    process.join()
    yield [f"runs of {ASKED} datasets: rows", *_once(rows), ""]
    yield [f"runs of {ASKED} datasets: MB of the answer", *_once(answer / 1e6), ""]
    yield [f"runs of {ASKED} datasets: MB by which peak memory grew", *_once(grown / 1e6), ""]


def _peak(path: Path, chosen: list[str], queue: Any) -> None:
    kb = KnowledgeBase(path)
    kb.runs("tabular", dataset_ids=chosen[:1])
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = _resident("VmRSS")
    frame = kb.runs("tabular", dataset_ids=chosen)
    queue.put((_resident("VmHWM") - before, int(frame.memory_usage(deep=True).sum()), len(frame)))


def _resident(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def at_once(path: Path) -> Iterator[list[str]]:
    """Eight processes append while two read and one compacts: what was lost or torn."""
    context = multiprocessing.get_context("spawn")
    done = context.Event()
    queue = context.Queue()
    tag = f"at-once/{time.time_ns()}"
    began = time.perf_counter()
    writers = [context.Process(target=_append, args=(path, f"{tag}/{i}")) for i in range(WRITERS)]
    readers = [context.Process(target=_watch, args=(path, tag, done, queue)) for _ in range(READERS)]
    for process in (*readers, *writers):
        process.start()
    kb, compactions = KnowledgeBase(path), 0
    while any(writer.is_alive() for writer in writers):
        kb.compact()
        compactions += 1
    seconds = time.perf_counter() - began
    done.set()
    seen = [queue.get() for _ in readers]
    for process in (*readers, *writers):
        process.join()
    runs = KnowledgeBase(path).runs("svm", dataset_ids=_ids(tag))
    sizes = runs.groupby("dataset_id").size()
    expected = WRITERS * APPENDS
    crashed = sum(process.exitcode != 0 for process in (*readers, *writers))
    what = f"{WRITERS} processes append {APPENDS} times {APPENDED:,} runs, {READERS} read, one compacts"
    yield [f"{what}: seconds", *_once(seconds), ""]
    yield ["looks of the readers meanwhile", *_once(sum(looks for looks, _ in seen)), ""]
    yield ["compactions meanwhile", *_once(compactions), ""]
    yield ["appends that are lost", *_once(expected - int((sizes == APPENDED).sum())), "0"]
    yield ["appends that a reader saw torn, twice, or vanish", *_once(sum(torn for _, torn in seen)), "0"]
    yield ["processes that failed", *_once(crashed), "0"]


def _ids(tag: str) -> list[str]:
    return [f"{tag}/{writer}/{number}" for writer in range(WRITERS) for number in range(APPENDS)]


def _append(path: Path, tag: str) -> None:
    kb = KnowledgeBase(path)
    for number in range(APPENDS):
        frame = pd.DataFrame({"value": np.arange(APPENDED) / APPENDED, "kernel": "rbf", "C": 1.0})
        kb.add_runs(f"{tag}/{number}", "svm", frame, metric="roc_auc", direction="maximize", source="synthetic")


def _watch(path: Path, tag: str, done: Any, queue: Any) -> None:
    kb = KnowledgeBase(path)
    looks, torn = 0, 0
    before: set[str] = set()
    while not done.is_set():
        sizes = kb.runs("svm", dataset_ids=_ids(tag)).groupby("dataset_id").size()
        torn += int((sizes != APPENDED).sum()) + len(before - set(sizes.index))
        before = set(sizes.index)
        looks += 1
    queue.put((looks, torn))


def _once(figure: float) -> list[str]:
    return [f"{figure:,.1f}" if isinstance(figure, float) else f"{figure:,}", "", ""]


if __name__ == "__main__":
    main()
