"""What tests share: real daemons from dist, in temporary directories, which end with the test."""

from __future__ import annotations

import os
import signal
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Callable, Iterator, List, Optional, Tuple

import pytest

from sessiond import Client

ROOT = Path(__file__).resolve().parents[2]
SESSIOND = ROOT / "dist" / "sessiond.js"

# What this machine's own setup says of sessiond must not reach the tests.
for name in ("SESSIOND_CONFIG", "SESSIOND_SOCKET", "SESSIOND_BIN", "XDG_RUNTIME_DIR", "NODE_OPTIONS"):
    os.environ.pop(name, None)
os.environ["XDG_CONFIG_HOME"] = "/nonexistent"


def eventually(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Waits until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.01)


class RealDaemon:
    """The program sessiond with a directory of its own."""

    def __init__(self, directory: Path, config: str = "") -> None:
        self.directory = directory
        self.sessions_dir = directory / "sessions"
        self.socket_path = str(directory / "s")
        self._config = directory / "sessiond.yaml"
        self._config.write_text(config)
        self._process: Optional["subprocess.Popen[bytes]"] = None

    def start(self) -> None:
        """Starts it, and waits until it serves."""
        self.sessions_dir.mkdir(exist_ok=True)
        arguments: List[str] = ["node", str(SESSIOND), "--config", str(self._config)]
        arguments += ["--sessions-dir", str(self.sessions_dir), "--socket", self.socket_path]
        with open(self.directory / "log", "ab") as log:
            self._process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        with Client(self.socket_path) as client:
            eventually(lambda: self._answers(client))

    def _answers(self, client: Client) -> bool:
        assert self._process is not None and self._process.poll() is None, self.log()
        try:
            return bool(client.get_info())
        except ConnectionError:
            return False

    def log(self) -> str:
        """What it has said."""
        return (self.directory / "log").read_text()

    @property
    def pid(self) -> int:
        """Of its process."""
        assert self._process is not None
        return self._process.pid

    def send(self, signal: signal.Signals) -> None:
        """Sends it a signal."""
        os.kill(self.pid, signal)

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        """Ends it, and waits until it has ended."""
        if self._process is not None:
            self.send(how)
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Kills it, and starts it again over what it left."""
        self.kill()
        self.start()


@pytest.fixture
def directory() -> Iterator[Path]:
    """A temporary directory with a short path, as sockets need it."""
    path = Path(tempfile.mkdtemp(prefix="py-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def own_daemon(directory: Path) -> Iterator[RealDaemon]:
    """A daemon of this test alone, which may be killed."""
    daemon = RealDaemon(directory)
    daemon.start()
    yield daemon
    daemon.kill()


@pytest.fixture(scope="session")
def daemon() -> Iterator[RealDaemon]:
    """A daemon that tests share, each with sessions of its own."""
    path = Path(tempfile.mkdtemp(prefix="py-"))
    daemon = RealDaemon(path)
    daemon.start()
    yield daemon
    daemon.kill()
    shutil.rmtree(path)


@pytest.fixture
def client(daemon: RealDaemon) -> Iterator[Client]:
    """A client of the shared daemon."""
    with Client(daemon.socket_path) as client:
        yield client


def ended(pids: Tuple[int, ...]) -> bool:
    """Whether none of these processes is left."""
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)
