import os
from pathlib import Path

import pytest

from autometa import config


def test_home_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AUTOMETA_HOME", str(tmp_path))
    assert config.home() == tmp_path
    monkeypatch.delenv("AUTOMETA_HOME")
    assert config.home().name == "autometa"


def test_the_cache_is_in_the_home_or_where_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AUTOMETA_CACHE", str(tmp_path / "elsewhere"))
    assert config.cache() == tmp_path / "elsewhere"
    monkeypatch.delenv("AUTOMETA_CACHE")
    assert config.cache() == config.home() / "cache"


@pytest.mark.parametrize("kind", ["meta_db", "search_spaces"])
def test_shipped_data_is_found(kind: config.ShippedKind) -> None:
    assert config.shipped(kind).is_dir()


def test_thread_limits_keep_what_the_user_set() -> None:
    environment = {"OMP_NUM_THREADS": "7"}
    config.limit_threads(environment, threads=2)
    assert environment["OMP_NUM_THREADS"] == "7"
    assert environment["OPENBLAS_NUM_THREADS"] == "2"
    assert set(environment) == {*config.THREAD_VARIABLES, "OMP_WAIT_POLICY"}


def test_tests_themselves_run_with_limited_threads() -> None:
    assert all(os.environ[name] for name in config.THREAD_VARIABLES)


def test_telemetry_is_silenced_even_if_it_was_wanted() -> None:
    environment = {"MLFLOW_DISABLE_TELEMETRY": "false"}
    config.silence_telemetry(environment)
    assert environment == {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
