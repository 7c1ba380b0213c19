"""A new SQLite store is whole, fast to write to, and made once."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from autometa.tracking import Store, _sqlite

# MLflow 3.17 uses what SQLAlchemy 2.1 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

MOUNTS = """\
/dev/vda / ext4 rw 0 0
host:/home /home nfs4 rw,vers=4.2 0 0
/dev/vdb /home/my\\040disk ext4 rw 0 0
"""


def ask(path: Path, question: str) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return str(connection.execute(question).fetchone()[0])


def test_new_store_is_whole_and_has_a_write_ahead_log(template: Path) -> None:
    assert ask(template, "PRAGMA integrity_check") == "ok"
    assert ask(template, "PRAGMA journal_mode") == "wal"
    assert ask(template, "SELECT count(*) FROM experiments") == "1"
    assert [path.name for path in template.parent.glob(".*")] == []


def test_store_that_is_there_stays(store: Store) -> None:
    assert store.file is not None
    assert store.artifacts is not None
    before = store.file.read_bytes()
    _sqlite.prepare(store.file, store.artifacts)
    assert store.file.read_bytes() == before


def test_file_that_cannot_be_used_fails_at_once(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    path.write_text("a,b\n1,2\n" * 100)
    with pytest.raises(sqlite3.DatabaseError, match="file is not a database"):
        _sqlite.prepare(path, tmp_path)


def test_settling_moves_the_log_into_the_file(store: Store) -> None:
    assert store.file is not None
    with closing(sqlite3.connect(store.file)) as connection:
        connection.execute("CREATE TABLE more (x)")
        connection.commit()
        log = store.file.with_name("mlflow.db-wal")
        assert log.stat().st_size > 0
        _sqlite.settle(store.file)
        assert log.stat().st_size == 0


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/tmp/x.db", "ext4"), ("/home/me/x.db", "nfs4"), ("/home/my disk/x.db", "ext4"), ("/homes/x", "ext4")],
)
def test_file_system_of_a_path(path: str, kind: str) -> None:
    assert _sqlite.file_system(Path(path), MOUNTS) == kind


def test_file_system_is_unknown_without_mounts() -> None:
    assert _sqlite.file_system(Path("/tmp/x.db"), "") == ""
