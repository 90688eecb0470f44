"""
The daemon of a store of the user's own: found by what the store says of it, started if nobody serves the
store, and started again if it was killed.
"""

from __future__ import annotations

import json
import os
import selectors
import shutil
import subprocess
import threading
import time
from typing import Any, Dict, List, Optional

from .daemon import Daemon, is_nobody_there
from .errors import DaemonUnreachableError, Issue, ShuttingDownError, error_of
from .exact_json import JsonError, parse_json
from .personal import STATE_DIRECTORY, make_store, read_daemon_file, store_socket
from .transport import Request, Transport, refusal_of

_PATIENCE = 30.0
"""In seconds: how long a start may take. The daemon itself waits for another one for 10 s."""
_RESTART_DELAY = 5.0
"""After a start that failed the next one waits, so that many attempts to reconnect are not many starts."""
_SHOWN_BYTES = 2000
"""How much of what the daemon wrote to standard error is shown if it ends without a word."""
_NOT_PASSED_ON = ("SESSIOND_SOCKET", "SESSIOND_RUN", "NODE_OPTIONS")
"""Variables that are about this process, and not about a daemon that outlives it."""


class StoreDaemon(Daemon):
    """The daemon of one store. Threads may share it."""

    def __init__(self, store: str, *, timeout: Optional[float] = None, may_make: bool = False) -> None:
        """
        :param store: the directory of the sessions, as an absolute path
        :param timeout: how long a daemon may take to say which store it serves, in seconds
        :param may_make: whether the store may be made if it is missing
        """
        super().__init__(store)
        self.store = store
        self._timeout = timeout
        self._may_make = may_make
        self._lock = threading.RLock()
        self._is_ready = False
        self._failed_at = float("-inf")

    def ready(self) -> None:
        with self._lock:
            if self._is_ready:
                return
            if self._may_make:
                if not os.path.lexists(self.store):
                    # A store that nobody can serve would be in the way of `SESSIOND_SOCKET` later.
                    _program(self.store)
                make_store(self.store)
            store = self._real_store()
            if not self._find(store):
                self._start(store)
            self._is_ready = True

    def revive(self) -> str:
        with self._lock:
            store = self._real_store()
            if self._find(store):
                return "listening"
            written = read_daemon_file(store)
            # Without the file, the daemon ended because it was idle.
            if written is not None and written.was_stopped:
                return "stopped"
            if written is not None and not written.on_demand:
                return "gone"
            if time.monotonic() - self._failed_at < _RESTART_DELAY:
                return "gone"
            self._start(store)
            return "listening"

    def _find(self, store: str) -> bool:
        """Whether a daemon serves this store; sets where it listens."""
        socket_path = store_socket(store, os.environ)
        if socket_path is None:
            return False
        served = _served_by(socket_path, self._timeout)
        # What the store says of its daemon is a hint: another daemon may listen there now.
        if served is None or os.path.realpath(served) != store:
            return False
        self._socket_path = socket_path
        return True

    def _start(self, store: str) -> None:
        try:
            self._socket_path = start_daemon(store)
        except Exception:
            self._failed_at = time.monotonic()
            raise

    def _real_store(self) -> str:
        if os.path.isdir(self.store):
            return os.path.realpath(self.store)
        is_there = os.path.lexists(self.store)
        why = "is not a directory" if is_there else "does not exist"
        raise DaemonUnreachableError("missing", self.store, f"the store {self.store} {why}")


def _served_by(socket_path: str, timeout: Optional[float]) -> Optional[str]:
    """The store that a daemon serves. None if none listens, or if what listens is no sessiond."""
    transport = Transport(Daemon(socket_path), timeout)
    try:
        answer = transport.request(Request("GET", "/v1/info", repeatable=True))
        if answer.status != 200:
            raise refusal_of(answer, socket_path)
        location = parse_json(answer.body)["store"]["location"]
        return location if isinstance(location, str) else None
    except (ShuttingDownError, JsonError, KeyError, TypeError):
        return None
    except DaemonUnreachableError as error:
        if is_nobody_there(error) or error.reason in ("closed", "not_sessiond"):
            return None
        raise
    finally:
        transport.close()


def start_daemon(store: str) -> str:
    """
    Starts the daemon of a store as a process of its own, which outlives this one.

    :param store: the real path of the store
    :returns: the socket of the daemon that serves the store: the one that was started, or a faster one
    :raises SessiondError: with the code that the daemon gives
    :raises DaemonUnreachableError: `not_started`
    """
    program = _program(store)
    try:
        process = subprocess.Popen(
            [*program, "--on-demand", "--sessions-dir", store],
            cwd="/",
            env={name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise _not_started(store, f"{program[0]} cannot be run: {error.strerror}") from error
    try:
        return _socket_said_by(process, store)
    finally:
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
        # If it ends before this process, somebody must ask how.
        threading.Thread(target=process.wait, name="sessiond of a store", daemon=True).start()


def _program(store: str) -> List[str]:
    named = os.environ.get("SESSIOND_BIN")
    path = shutil.which(named or "sessiond")
    if path is not None:
        # A relative path would be looked for in the working directory of the daemon.
        return [os.path.abspath(path)]
    # A bundle that was not installed, such as dist/sessiond.js of the source.
    if named is not None and named.endswith(".js") and os.path.isfile(named):
        node = shutil.which("node")
        if node is not None:
            return [node, os.path.abspath(named)]
    what = (
        "there is no program sessiond in the PATH"
        if named is None
        else f"SESSIOND_BIN names {named}, which cannot be run"
    )
    raise _not_started(
        store,
        f"{what}; install sessiond by npm or as a package of Debian, or set SESSIOND_BIN to the path of the "
        "program",
    )


def _socket_said_by(process: "subprocess.Popen[bytes]", store: str) -> str:
    """Waits for the one line of JSON that a daemon on demand writes about its start."""
    said, errors = b"", b""
    end = time.monotonic() + _PATIENCE
    with selectors.DefaultSelector() as selector:
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                selector.register(stream, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(0.0, end - time.monotonic()))
            if not ready:
                raise _not_started(store, f"it did not say within {_PATIENCE:.0f} s that it serves")
            for key, _ in ready:
                data = os.read(key.fd, 65_536)
                if data == b"":
                    selector.unregister(key.fileobj)
                elif key.fileobj is process.stdout:
                    said += data
                else:
                    errors = (errors + data)[-_SHOWN_BYTES:]
            line, line_break, _ = said.partition(b"\n")
            report = _report_of(line) if line_break else None
            if report is not None:
                return _socket_of(report, store)
    status = process.wait()
    how = f"with status {status}" if status >= 0 else f"by signal {-status}"
    words = "; ".join(errors.decode("utf-8", "replace").split("\n")).strip("; ")
    raise _not_started(store, f"it ended {how}{': ' if words else ''}{words}")


def _report_of(line: bytes) -> Optional[Dict[str, Any]]:
    try:
        report = json.loads(line)
    except ValueError:
        return None
    return report if isinstance(report, dict) and "state" in report else None


def _socket_of(report: Dict[str, Any], store: str) -> str:
    if report["state"] != "failed":
        return str(report["socket"])
    code, message = str(report.get("code", "internal")), str(report.get("message", ""))
    lines = message.split("\n")
    if len(lines) > 1:
        # A configuration has a line for each mistake, with its place.
        issues = [Issue("", line) for line in lines]
        said = f"sessiond cannot be started with this configuration: {'; '.join(lines)}"
        raise error_of(code, said, issues=issues)
    if code == "storage_failed":
        message = f"sessiond cannot serve the store {store}: {message}"
    raise error_of(code, message)


def _not_started(store: str, why: str) -> DaemonUnreachableError:
    log = os.path.join(store, STATE_DIRECTORY, "sessiond.log")
    has_log = f"; its log is {log}" if os.path.exists(log) else ""
    message = f"cannot start sessiond for the store {store}: {why}{has_log}"
    return DaemonUnreachableError("not_started", store, message)
