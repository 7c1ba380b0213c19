"""An address means one store, or the message says what an address looks like."""

from pathlib import Path

import pytest

from autometa.errors import OptionError
from autometa.tracking import MlflowTracker, Store, open_tracker, resolve


def test_no_address_means_the_users_own_store(own_home: Path) -> None:
    store = resolve(None)
    assert store.uri == f"sqlite:///{own_home}/mlflow.db"
    assert store.file == own_home / "mlflow.db"
    assert store.artifacts == own_home / "mlflow-artifacts"


def test_relative_file_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = resolve("sqlite:///runs/my searches.db")
    assert store.uri == f"sqlite:///{tmp_path}/runs/my searches.db"
    assert store.artifacts == tmp_path / "runs" / "mlflow-artifacts"


def test_absolute_file_stays() -> None:
    assert resolve("sqlite:////data/mlflow.db").file == Path("/data/mlflow.db")


def test_escaped_characters_of_a_path_are_read() -> None:
    assert resolve("sqlite:////data/my%20searches.db").uri == "sqlite:////data/my searches.db"


def test_server_keeps_its_own_artifacts() -> None:
    store = resolve("https://mlflow.example:8080/")
    assert (store.uri, store.kind, store.artifacts) == ("https://mlflow.example:8080", "server", None)
    assert store.file is None


def test_database_keeps_artifacts_in_the_users_folder(own_home: Path) -> None:
    store = resolve("postgresql+psycopg://me@db/mlflow")
    assert (store.kind, store.artifacts) == ("database", own_home / "mlflow-artifacts")


@pytest.mark.parametrize(
    ("uri", "hint"),
    [
        ("runs", "no longer tracks in plain folders"),
        ("file:///data/mlruns", "no longer tracks in plain folders"),
        ("", "no longer tracks in plain folders"),
        ("/data/mlflow.db", "did you mean sqlite:////data/mlflow.db?"),
        ("ftp://host/x", "sqlite:////folder/mlflow.db"),
        ("http://", "http(s)://host:port"),
        ("http://[::1", "http(s)://host:port"),
        ("sqlite://mlflow.db", "sqlite:///relative.db"),
        ("sqlite:///", "sqlite:///relative.db"),
        ("sqlite:///:memory:", "sqlite:///relative.db"),
        ("sqlite:///a.db?timeout=5", "question mark"),
        ("sqlite:///a%2520b.db", "percent sign"),
    ],
)
def test_unusable_address_says_what_an_address_looks_like(uri: str, hint: str) -> None:
    with pytest.raises(OptionError) as error:
        resolve(uri)
    assert hint in str(error.value)
    with pytest.raises(OptionError):
        open_tracker(uri)


def test_password_is_never_shown() -> None:
    store = Store("postgresql://me:s3cr%40et@db/mlflow", "database", None)
    assert str(store) == "postgresql://me:***@db/mlflow"
    assert store.redact("cannot reach postgresql://me:s3cr%40et@db with s3cr@et") == (
        "cannot reach postgresql://me:***@db with ***"
    )


def test_short_password_is_only_blanked_in_an_address() -> None:
    store = Store("http://me:a@db", "server", None)
    assert store.redact("a failure at http://me:a@db") == "a failure at http://me:***@db"


def test_opening_a_tracker_touches_nothing(own_home: Path) -> None:
    tracker = open_tracker(None, experiment="mine", close_timeout=3.0)
    tracker.close()
    assert isinstance(tracker, MlflowTracker)
    assert tracker.close_timeout == 3.0
    assert tracker.problems == []
    assert list(own_home.iterdir()) == []
