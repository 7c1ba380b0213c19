"""Writers that die, and writers at the same time."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from autometa.knowledge import KnowledgeBase, Source
from autometa.knowledge._store import LocalStore
from autometa.records import DatasetRecord

ROWS = 200
WRITER = """
import sys, os, signal
import pandas as pd
from autometa.knowledge import KnowledgeBase
from autometa.records import DatasetRecord, MetaFeatures

path, name, times, die = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
if die == "before-rename":
    renamed = os.replace
    count = 0
    def replace(source, target):
        global count
        count += 1
        if count > 3:
            os.kill(os.getpid(), signal.SIGKILL)
        renamed(source, target)
    os.replace = replace
kb = KnowledgeBase(path)
for i in range(times):
    frame = pd.DataFrame({"value": float(i), "writer": name, "i": i}, index=range(int(sys.argv[5])))
    kb.add_runs(f"{name}-{i}", "demo", frame, metric="m", direction="maximize")
    if die == "never":
        kb.add_dataset(DatasetRecord(f"{name}-{i}", name, "binary", "user"), MetaFeatures("", {"X": float(i)}))
    print(i, flush=True)
"""


def start(path: Path, name: str, times: int, die: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WRITER, str(path), name, str(times), die, str(ROWS)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_writer_killed_between_writing_and_renaming_leaves_nothing_visible(tmp_path: Path) -> None:
    writer = start(tmp_path, "w", 10, "before-rename")
    said, _ = writer.communicate(timeout=60)
    assert writer.returncode == -9
    assert said.split() == ["0", "1", "2"]
    assert list(tmp_path.rglob(".*.tmp")), "the test must have killed it while a temporary file was there"
    kb = KnowledgeBase(tmp_path)
    assert kb.runs("demo").groupby("i").size().to_dict() == {0: ROWS, 1: ROWS, 2: ROWS}
    kb.add_dataset(DatasetRecord("later", "later", "binary", "user"))
    assert kb.info().n_runs == 3 * ROWS


def test_a_writer_killed_at_any_moment_leaves_whole_appends(tmp_path: Path) -> None:
    writer = start(tmp_path, "w", 10_000, "whenever")
    assert writer.stdout is not None
    writer.stdout.readline()
    reader = KnowledgeBase(tmp_path)
    sizes = set()
    until = time.monotonic() + 0.7
    while time.monotonic() < until:
        sizes |= set(reader.runs("demo").groupby("i").size())
    writer.kill()
    said = writer.communicate(timeout=60)[0].split()
    runs = KnowledgeBase(tmp_path).runs("demo")
    assert sizes == {ROWS}
    assert set(runs.groupby("i").size()) == {ROWS}
    assert runs["i"].max() >= int(said[-1] if said else 0)


def test_two_writers_and_a_compacting_reader_lose_nothing(tmp_path: Path) -> None:
    writers = [start(tmp_path, name, 12, "never") for name in ("first", "second")]
    kb = KnowledgeBase(tmp_path)
    while any(writer.poll() is None for writer in writers):
        kb.compact()
        shown = kb.datasets()
        assert set(shown.index) <= set(kb.datasets().index)
        assert not set(kb.runs("demo").groupby("dataset_id").size()) - {ROWS}
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    ids = {f"{name}-{i}" for name in ("first", "second") for i in range(12)}
    kb = KnowledgeBase(tmp_path)
    assert set(kb.datasets().index) == set(kb.meta_features().index) == ids
    assert len(kb.runs("demo")) == 24 * ROWS


SWARM = """
import os, signal, sys, time, traceback
from pathlib import Path
import pandas as pd
from autometa.knowledge import KnowledgeBase

path, rows, writers, times, stop = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5])

def write(name):
    kb = KnowledgeBase(path)
    for i in range(times):
        frame = pd.DataFrame({"value": range(rows), "i": i})
        kb.add_runs(f"{name}-{i}", "demo", frame, metric="m", direction="maximize")

def read():
    kb, before = KnowledgeBase(path), set()
    while not stop.exists():
        sizes = kb.runs("demo").groupby("dataset_id").size()
        assert set(sizes) <= {rows}, f"torn or twice: {set(sizes)}"
        assert before <= set(sizes.index), "what was there is gone"
        before = set(sizes.index)

def compact():
    kb = KnowledgeBase(path)
    while True:
        kb.compact()

def child(work, *arguments):
    process = os.fork()
    if process == 0:
        try:
            work(*arguments)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return process

KnowledgeBase(path).compact()
reading = [child(read) for _ in range(2)]
writing = {child(write, f"w{i}") for i in range(writers)}
killed, codes = 0, []
while writing or killed < 10:
    compacting = child(compact)
    time.sleep(0.02 + 0.007 * (killed % 10))
    os.kill(compacting, signal.SIGKILL)
    os.waitpid(compacting, 0)
    killed += 1
    for one in list(writing):
        done, code = os.waitpid(one, os.WNOHANG)
        if done:
            writing.remove(one)
            codes.append(code)
stop.touch()
codes += [os.waitpid(one, 0)[1] for one in reading]
sys.exit(max(codes) != 0)
"""


def test_eight_append_while_two_read_and_compactions_are_killed(tmp_path: Path) -> None:
    base, writers, times = tmp_path / "kb", 8, 6
    command = [sys.executable, "-c", SWARM, *map(str, (base, ROWS, writers, times, tmp_path / "stop"))]
    said = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert said.returncode == 0, said.stderr
    kb = KnowledgeBase(base)
    kb.compact()
    ids = [f"w{writer}-{i}" for writer in range(writers) for i in range(times)]
    assert kb.runs("demo").groupby("dataset_id").size().to_dict() == dict.fromkeys(ids, ROWS)
    assert len(list(base.glob("runs/demo/*.parquet"))) == 1
    assert {one.rule for one in kb.verify()} == {"orphan rows"}


def test_a_base_that_another_begins_while_it_is_opened_is_no_foreign_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = LocalStore.files

    def files(self: LocalStore, folder: str) -> list[str]:
        monkeypatch.undo()
        KnowledgeBase(tmp_path).add_source(Source("s", "MIT"))
        return listed(self, folder)

    monkeypatch.setattr(LocalStore, "files", files)
    assert [source.name for source in KnowledgeBase(tmp_path).sources()] == ["s"]


def test_sources_that_many_record_at_once_are_all_kept(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    names = [f"source {i}" for i in range(12)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda name: KnowledgeBase(tmp_path).add_source(Source(name, "MIT")), names))
    assert {source.name for source in KnowledgeBase(tmp_path).sources()} == set(names)
