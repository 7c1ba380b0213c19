import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autometa.errors import KnowledgeBaseError
from autometa.knowledge._store import LocalStore, RemoteStore, Store, open_store, part_name


@pytest.fixture(params=["local", "remote"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return open_store(tmp_path / "base" if request.param == "local" else f"memory://store/{tmp_path.name}")


def test_a_missing_folder_is_empty(store: Store) -> None:
    assert store.files("") == store.files("runs/x") == store.folders("") == []
    assert store.stamp("manifest.json") is None


def test_what_is_written_is_read_and_listed(store: Store) -> None:
    store.write("runs/x/part-2", b"two")
    store.write("runs/x/part-1", b"one")
    store.write("top", b"")
    assert store.read("runs/x/part-2") == b"two"
    assert store.files("runs/x") == ["runs/x/part-1", "runs/x/part-2"]
    assert store.files("") == ["top"]
    assert store.folders("") == ["runs"]
    assert store.folders("runs") == ["x"]
    assert store.size("runs/x/part-1") == 3


def test_create_keeps_what_is_there_and_write_replaces_it(store: Store) -> None:
    store.create("a", b"first")
    before = store.stamp("a")
    store.create("a", b"second!")
    assert store.read("a") == b"first"
    assert store.stamp("a") == before
    store.write("a", b"third, longer")
    assert store.read("a") == b"third, longer"
    assert store.stamp("a") != before


def test_delete_is_repeatable(store: Store) -> None:
    store.write("a", b"x")
    store.delete("a")
    store.delete("a")
    assert store.files("") == []


def test_a_failed_rename_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: object, target: object) -> None:
        raise OSError("disk on fire")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="on fire"):
        LocalStore(tmp_path).write("a", b"x")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        LocalStore(tmp_path).write("a", b"x")
    assert list(tmp_path.iterdir()) == []


def test_names_of_parts_are_unique_and_sort_by_time() -> None:
    names = []
    for _ in range(5):
        names.append(part_name("runs/x"))
        time.sleep(0.002)
    assert names == sorted(names)
    assert len({part_name("f") for _ in range(1000)}) == 1000
    assert names[0].startswith("runs/x/part-")
    assert names[0][len("runs/x/part-") + 14] == "7"  # the version digit of a UUID


def test_a_file_url_is_a_local_path(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}")
    assert isinstance(store, LocalStore)
    assert store.url == str(tmp_path)


def test_an_unknown_protocol_is_named() -> None:
    with pytest.raises(KnowledgeBaseError, match="nosuch://bucket"):
        RemoteStore("nosuch://bucket")


def test_leftovers_are_listed_with_their_age(store: Store, tmp_path: Path) -> None:
    store.write("runs/x/part-1", b"one")
    assert store.leftovers() == []
    if isinstance(store, LocalStore):
        path = tmp_path / "base" / "runs" / "x" / ".killed.tmp"
        path.write_bytes(b"")
        os.utime(path, (time.time() - 100,) * 2)
        ((name, age),) = store.leftovers()
        assert name == "runs/x/.killed.tmp"
        assert 90 < age < 200
        assert store.files("runs/x") == ["runs/x/part-1"]


def test_a_lock_keeps_others_out_and_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autometa.knowledge._store._PATIENCE", 0.05)
    first, second = LocalStore(tmp_path / "a"), LocalStore(tmp_path / "a")
    with first.locked("rewriting"):
        with second.locked("manifest"):
            pass
        with pytest.raises(KnowledgeBaseError, match="Another process"), second.locked("rewriting"):
            pass
    with second.locked("rewriting"):
        pass
    assert [path for path in (tmp_path / "a").rglob("*") if path.is_file()] == []


def test_a_process_that_dies_gives_its_lock_back(tmp_path: Path) -> None:
    code = (
        "import sys, os\nfrom pathlib import Path\nfrom autometa.knowledge._store import LocalStore\n"
        "with LocalStore(Path(sys.argv[1])).locked('rewriting'):\n    os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)]).returncode == -9
    with LocalStore(tmp_path).locked("rewriting"):
        pass
