"""``autometa ui``: look at the searches in MLflow's own pages."""

import contextlib
import errno
import ipaddress
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
import webbrowser
from collections.abc import Iterator
from http.client import HTTPException
from types import FrameType
from typing import IO, Annotated

import typer

from autometa.config import limit_threads, silence_telemetry
from autometa.errors import AutometaError, OptionError
from autometa.tracking import Store, resolve, searches_page

_EXPERIMENT = "autometa"
_START_SECONDS = 90.0
_STOP_SECONDS = 5.0
_POLL_SECONDS = 0.1
_TAIL_LINES = 15
_NEAR_PORTS = 100


def ui(
    *,
    mlflow_uri: Annotated[
        str | None,
        typer.Option("--mlflow-uri", help="Where the searches are tracked; default: your autometa folder."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; the default is this machine only.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 5000,
    no_open: Annotated[bool, typer.Option("--no-open", help="Do not open a browser.")] = False,
) -> None:
    """Show the tracked searches in MLflow's web pages, until Ctrl-C."""
    store = resolve(mlflow_uri)
    if store.kind == "server":
        page = _searches_page(store.uri)
        typer.echo(f"These searches are on a server already: {store.redact(page)}")
        _open_browser(page, wanted=not no_open)
        return
    _require_searches(store)
    _require_free_port(host, port)
    if not _is_loopback(host):
        typer.secho(
            f"Warning: on {host} anyone who can reach this machine can read and change the tracked searches; "
            "there is no password. Leave out --host to serve this machine only.",
            fg="yellow",
            err=True,
        )
    with _stop_signals(), tempfile.TemporaryFile() as log:
        server = _start_server(store, host=host, port=port, log=log)
        try:
            _serve(server, _address(host, port), log, wanted=not no_open)
        except KeyboardInterrupt:
            typer.echo("Stopped.")
        finally:
            _stop(server)


def _serve(server: subprocess.Popen[bytes], address: str, log: IO[bytes], *, wanted: bool) -> None:
    typer.echo("Starting MLflow ...")
    _wait_until_healthy(server, address, log)
    page = _searches_page(address)
    typer.echo(f"Your searches: {page}\nStop with Ctrl-C.")
    _open_browser(page, wanted=wanted)
    server.wait()
    raise AutometaError(_stopped(server, log))


def _start_server(store: Store, *, host: str, port: int, log: IO[bytes]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "mlflow", "server", "--host", host, "--port", str(port), "--workers", "1"]
    if store.artifacts:
        command += ["--artifacts-destination", str(store.artifacts)]
    return subprocess.Popen(
        command,
        env=_environment(store),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _environment(store: Store) -> dict[str, str]:
    """The server's environment; the store's address may hold a password, so it is no argument."""
    environment = {
        **os.environ,
        "MLFLOW_BACKEND_STORE_URI": store.uri,
        "MLFLOW_REGISTRY_STORE_URI": store.uri,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # its job runners cost a gigabyte and are not used
        "PYTHONSAFEPATH": "1",  # a file mlflow.py in the user's folder stays unread
    }
    silence_telemetry(environment)
    limit_threads(environment)
    return environment


def _require_searches(store: Store) -> None:
    if store.file is None:
        return
    try:
        with contextlib.closing(sqlite3.connect(f"{store.file.as_uri()}?mode=rw", uri=True)) as connection:
            searches = connection.execute("SELECT count(*) FROM runs").fetchone()[0]
    except sqlite3.Error as error:
        if store.file.exists():
            raise OptionError(
                f"{store.file} is no MLflow store: {error}. Name another one with --mlflow-uri."
            ) from error
        searches = 0
    if not searches:
        raise OptionError(
            f"No search has been tracked yet in {store.file}. Run `autometa tune TABLE` first, or name another "
            "store with --mlflow-uri."
        )


def _require_free_port(host: str, port: int) -> None:
    try:
        _bind(host, port)
    except socket.gaierror as error:
        raise OptionError(f"--host {host!r} is no address: {error.strerror}. Try --host 127.0.0.1.") from error
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            raise OptionError(f"--host {host!r} is no address of this machine. Try --host 127.0.0.1.") from error
        free = _free_port(host, port)
        raise OptionError(
            f"Cannot listen on port {port} of {host}: {error.strerror}. Try: autometa ui --port {free}"
        ) from error


def _free_port(host: str, taken: int) -> int:
    """The next port that is free, or any."""
    for port in (*range(max(taken, 1023) + 1, min(taken + _NEAR_PORTS, 65535) + 1), 0):
        with contextlib.suppress(OSError):
            return _bind(host, port)
    raise OptionError(f"No port of {host} is free.")


def _bind(host: str, port: int) -> int:
    """Listen for a moment; gives the port."""
    family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        return int(listener.getsockname()[1])


def _is_loopback(host: str) -> bool:
    places = {place[0] for *_, place in socket.getaddrinfo(host, None)}
    return all(ipaddress.ip_address(str(place).partition("%")[0]).is_loopback for place in places)


def _address(host: str, port: int) -> str:
    """Where a browser on this machine finds the server."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


def _wait_until_healthy(server: subprocess.Popen[bytes], address: str, log: IO[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise AutometaError(_stopped(server, log))
        with contextlib.suppress(OSError):  # not listening yet
            _get(f"{address}/health")
            return
        time.sleep(_POLL_SECONDS)
    raise AutometaError(f"MLflow's server did not answer within {_START_SECONDS:g} s.{_tail(log)}")


def _searches_page(address: str) -> str:
    query = urllib.parse.urlencode({"experiment_name": _EXPERIMENT})
    try:
        found = json.loads(_get(f"{address}/api/2.0/mlflow/experiments/get-by-name?{query}"))
        return address + searches_page(found["experiment"])
    except (OSError, ValueError, KeyError, HTTPException):  # no search there yet, or no such answer
        return f"{address}/#/experiments"


def _get(url: str) -> bytes:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(url, timeout=5) as answer:
        return bytes(answer.read())


def _open_browser(page: str, *, wanted: bool) -> None:
    """Open a window; never a text browser in this terminal."""
    graphical = sys.platform == "darwin" or "DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ
    if wanted and graphical:
        webbrowser.open(page)


@contextlib.contextmanager
def _stop_signals() -> Iterator[None]:
    """Let a closed terminal or a service manager stop the server as Ctrl-C does."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    # Ctrl-C too: a shell starts background jobs with it ignored.
    names = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    earlier = {name: signal.signal(name, interrupt) for name in names}
    try:
        yield
    finally:
        for name, handler in earlier.items():
            signal.signal(name, handler)


def _stop(server: subprocess.Popen[bytes]) -> None:
    """End the server and its children; a second Ctrl-C ends them at once."""
    with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
        _signal_group(server, signal.SIGTERM)
        server.wait(_STOP_SECONDS)
    _signal_group(server, signal.SIGKILL)
    server.wait()


def _signal_group(server: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # all of them are gone
        os.killpg(server.pid, number)


def _stopped(server: subprocess.Popen[bytes], log: IO[bytes]) -> str:
    return f"MLflow's server stopped (exit code {server.returncode}).{_tail(log)}"


def _tail(log: IO[bytes]) -> str:
    log.seek(0)
    lines = log.read().decode(errors="replace").strip().splitlines()[-_TAIL_LINES:]
    return "\n".join(["\nIts last words:", *lines]) if lines else ""
