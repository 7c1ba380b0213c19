"""A tracking server that accepts connections and never answers costs a search its record, not its model."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from fault_runs import Runs

import autometa


@pytest.fixture
def mute_server() -> Iterator[str]:
    """The address of a server that takes everything and says nothing."""
    listener = socket.create_server(("127.0.0.1", 0))
    held: list[socket.socket] = []

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                held.append(listener.accept()[0])

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)
    for connection in held:
        connection.close()


def test_a_tracker_that_hangs_costs_the_record_and_not_the_model(
    runs: Runs, table: Path, quick: tuple[str, ...], mute_server: str
) -> None:
    options = [option for option in quick if option != "--no-mlflow"]
    running = runs.start(
        *("tune", table, "--trials", 3, "--time-limit", 15, "--output", "out", "--mlflow-uri", mute_server, *options)
    )
    ended = running.wait()
    assert ended.code == 0, ended.told
    assert "failed: tracking: MLflow did not record" in ended.told
    assert mute_server in ended.told
    assert running.leftovers() == []
    assert autometa.load_model(runs.folder / "out").predict(pd.read_csv(table)).shape == (80,)
