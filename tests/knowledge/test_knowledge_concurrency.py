"""Writers that die, and writers at the same time."""

import subprocess
import sys
import time
from pathlib import Path

from autometa.knowledge import KnowledgeBase
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
