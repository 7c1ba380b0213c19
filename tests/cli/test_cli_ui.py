"""``autometa ui``: what it refuses, and that it serves and stops cleanly."""

import contextlib
import json
import math
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from autometa.cli import ui as module
from autometa.cli.ui import ui
from autometa.errors import AutometaError, OptionError
from autometa.testing.tracking import sample_info, sample_report
from autometa.tracking import open_tracker, resolve

VIEW = b'{"experiment": {"experiment_id": "7", "tags": [{"key": "mlflow.sharedViewState.autometa", "value": "{}"}]}}'
PLAIN = b'{"experiment": {"experiment_id": "7"}}'
TOY_SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(ANSWER)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
COMMAND = [sys.executable, "-c", "import typer; from autometa.cli.ui import ui; typer.run(ui)"]


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


@pytest.fixture
def free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def store(own_home: Path) -> Path:
    """As much of a store as is looked at before the server starts."""
    with closing(sqlite3.connect(own_home / "mlflow.db")) as connection:
        connection.execute("CREATE TABLE runs (x)")
        connection.execute("INSERT INTO runs VALUES (1)")
        connection.commit()
    return own_home / "mlflow.db"


def toy(monkeypatch: pytest.MonkeyPatch, program: str) -> list[subprocess.Popen[bytes]]:
    """Serve with a small program instead of MLflow."""
    servers: list[subprocess.Popen[bytes]] = []

    def start(store: object, *, host: str, port: int, log: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", program, str(port)]
        servers.append(subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True))
        return servers[-1]

    monkeypatch.setattr(module, "_start_server", start)
    return servers


def test_without_a_store_it_says_what_to_run(own_home: Path) -> None:
    with pytest.raises(OptionError, match=r"No search has been tracked yet in .*Run `autometa tune TABLE` first"):
        ui()
    assert list(own_home.iterdir()) == []


def test_empty_store_counts_as_none(store: Path) -> None:
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("DELETE FROM runs")
        connection.commit()
    with pytest.raises(OptionError, match="No search has been tracked yet"):
        ui()


def test_file_that_is_no_store_is_named(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("a,b\n1,2\n" * 100)
    with pytest.raises(OptionError, match=r"mlflow.db is no MLflow store: file is not a database"):
        ui(mlflow_uri=f"sqlite:///{tmp_path}/mlflow.db")


def test_port_that_is_taken_names_a_free_one(store: Path, taken: int) -> None:
    with pytest.raises(OptionError, match=f"Cannot listen on port {taken} of 127.0.0.1") as error:
        ui(port=taken)
    free = int(str(error.value).rpartition(" ")[2])
    assert free != taken
    socket.create_server(("127.0.0.1", free)).close()


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_host_of_another_machine_is_refused(store: Path, host: str) -> None:
    with pytest.raises(OptionError, match=r"Try --host 127\.0\.0\.1"):
        ui(host=host)


def test_searches_on_a_server_need_no_server(capsys: pytest.CaptureFixture[str]) -> None:
    ui(mlflow_uri="http://me:s3cret@mlflow.example:8080", no_open=True)
    assert "http://me:***@mlflow.example:8080" in capsys.readouterr().out


def test_searches_on_a_server_open_at_their_page(free: int, capsys: pytest.CaptureFixture[str]) -> None:
    program = TOY_SERVER.replace("ANSWER", repr(VIEW))
    with subprocess.Popen([sys.executable, "-c", program, str(free)], stderr=subprocess.DEVNULL) as server:
        try:
            wait_until_listening(free)
            ui(mlflow_uri=f"http://127.0.0.1:{free}", no_open=True)
        finally:
            server.kill()
    page = f"http://127.0.0.1:{free}/#/experiments/7/runs?workflowType=machine_learning&viewStateShareKey=autometa"
    assert capsys.readouterr().out == f"These searches are on a server already: {page}\n"


def wait_until_listening(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise AssertionError("nobody listens")


@pytest.mark.parametrize(("host", "warned"), [("127.0.0.1", False), ("localhost", False), ("0.0.0.0", True)])
def test_other_machines_get_in_only_with_a_warning(
    store: Path,
    free: int,
    host: str,
    warned: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    toy(monkeypatch, "print('boom'); raise SystemExit(3)")
    with pytest.raises(AutometaError, match=r"(?s)server stopped \(exit code 3\).*boom"):
        ui(host=host, port=free)
    assert ("can read and change" in capsys.readouterr().err) is warned


@pytest.mark.parametrize(
    ("answer", "page"),
    [
        (VIEW, "experiments/7/runs?workflowType=machine_learning&viewStateShareKey=autometa"),
        (PLAIN, "experiments/7/runs?workflowType=machine_learning"),
        (b"{}", "experiments"),
        (b"no JSON", "experiments"),
    ],
)
def test_it_opens_at_the_searches_and_ctrl_c_stops_the_server(
    store: Path,
    free: int,
    answer: bytes,
    page: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def press_ctrl_c(page: str, *, wanted: bool) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)

    servers = toy(monkeypatch, TOY_SERVER.replace("ANSWER", repr(answer)))
    monkeypatch.setattr(module, "_open_browser", press_ctrl_c)
    ui(port=free)
    said = capsys.readouterr().out
    assert f"Your searches: http://127.0.0.1:{free}/#/{page}\nStop with Ctrl-C." in said
    assert said.endswith("Stopped.\n")
    assert [server.returncode for server in servers] == [-signal.SIGTERM]


@pytest.mark.parametrize(
    ("wanted", "display", "pages"), [(True, ":0", ["http://x"]), (False, ":0", []), (True, None, [])]
)
def test_browser_opens_only_where_there_is_a_window(
    wanted: bool, display: str | None, pages: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("DISPLAY", raising=False)
    if display:
        monkeypatch.setenv("DISPLAY", display)
    module._open_browser("http://x", wanted=wanted)
    assert opened == pages


def test_environment_of_the_server_is_quiet_and_keeps_the_password_off_the_command_line() -> None:
    store = resolve("postgresql://me:s3cret@db/mlflow")
    environment = module._environment(store)
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert environment["MLFLOW_BACKEND_STORE_URI"] == store.uri


@pytest.mark.slow
def test_mlflow_serves_searches_and_stops_with_its_children(own_home: Path, free: int) -> None:
    with open_tracker(None, close_timeout=120.0) as tracker:
        tracker.start(sample_info())
        tracker.trial(sample_report(0))
        tracker.finish({"roc_auc": 0.75}, [Path(__file__)])
    command = [*COMMAND, "--port", str(free), "--no-open"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert process.stdout is not None
            lines = iter(process.stdout.readline, "")
            page = next(line for line in lines if line.startswith("Your searches: "))
            assert f"http://127.0.0.1:{free}/#/experiments/1/runs?" in page
            assert page.rstrip().endswith("&viewStateShareKey=autometa")
            assert listening(free) == {"127.0.0.1"}
            base = f"http://127.0.0.1:{free}"
            run = json.loads(get(f"{base}/api/2.0/mlflow/runs/get?run_id={tracker.run_id}"))["run"]
            assert run["info"]["run_name"] == "credit-g"
            copy = get(f"{base}/get-artifact?path={Path(__file__).name}&run_uuid={tracker.run_id}")
            assert copy == Path(__file__).read_bytes()
            track_over_http(base)
            members = group_below(process.pid)
            assert len(members) >= 2
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert "Stopped." in process.stdout.read()
        assert not [pid for pid in members if Path(f"/proc/{pid}").exists()]


def track_over_http(address: str) -> None:
    """A server is a store like any other."""
    with open_tracker(address, close_timeout=120.0) as tracker:
        tracker.start(sample_info(name="over http"))
        tracker.trial(sample_report(0, value=math.nan, fold_scores=(math.nan, math.inf)))
        tracker.trial(sample_report(1))
        tracker.finish({"roc_auc": 0.75}, [Path(__file__)])
    assert tracker.problems == []
    run = json.loads(get(f"{address}/api/2.0/mlflow/runs/get?run_id={tracker.run_id}"))["run"]
    assert (run["info"]["run_name"], run["info"]["status"]) == ("over http", "FINISHED")
    assert {"key": "best_roc_auc", "value": 0.75}.items() <= min(
        run["data"]["metrics"], key=lambda metric: metric["key"]
    ).items()
    copy = get(f"{address}/get-artifact?path={Path(__file__).name}&run_uuid={tracker.run_id}")
    assert copy == Path(__file__).read_bytes()


def listening(port: int) -> set[str]:
    """The addresses on which somebody listens on a port."""
    found = set()
    for table, family, width in (("tcp", socket.AF_INET, 8), ("tcp6", socket.AF_INET6, 32)):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            address, _, number = line.split()[1].partition(":")
            if int(number, 16) == port and line.split()[3] == "0A":  # LISTEN
                words = [bytes.fromhex(address[at : at + 8])[::-1] for at in range(0, width, 8)]
                found.add(socket.inet_ntop(family, b"".join(words)))
    return found


def get(url: str) -> bytes:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(url, timeout=30) as answer:
        return bytes(answer.read())


def group_below(pid: int) -> list[int]:
    """The processes of the server that process ``pid`` started."""
    stats = [path.read_text().rpartition(")")[2].split() for path in Path("/proc").glob("[0-9]*/stat")]
    pids = [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/stat")]
    groups = {int(stat[2]) for stat in stats if int(stat[1]) == pid}
    return [found for found, stat in zip(pids, stats, strict=True) if int(stat[2]) in groups]
