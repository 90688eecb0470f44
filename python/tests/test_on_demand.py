"""Daemons on demand: found by their store, started, and started again after a kill."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Iterator, List

import pytest
from conftest import ROOT, SESSIOND, RealDaemon, ended, eventually
from test_client import refusal

from sessiond import Client, DaemonUnreachableError, SessionManager
from sessiond.on_demand import StoreDaemon


@pytest.fixture
def work(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory in which daemons can be started. They end with the test."""
    monkeypatch.setenv("SESSIOND_BIN", str(SESSIOND))
    monkeypatch.setenv("TMPDIR", str(directory))
    work = directory / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    yield work
    written = [json.loads(file.read_text())["pid"] for file in directory.rglob("daemon.json")]
    pids = [pid for pid in written if serves_in(pid, directory)]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not any(serves_in(pid, directory) for pid in pids))


def serves_in(pid: int, directory: Path) -> bool:
    """Whether a process is the daemon of a store in a directory."""
    try:
        return os.fsencode(directory) in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def test_a_manager_makes_its_store_and_starts_its_daemon(work: Path) -> None:
    with SessionManager() as manager:
        assert not (work / ".sessions").exists()
        assert manager.create_session("a", "src", ["x"]).pending_files == ["x"]
        assert manager.sessions_dir == Path(".sessions")
        pid = manager.client.get_info()["pid"]
    assert (work / ".sessions" / "a.json").exists() and (work / ".sessions" / ".gitignore").read_text() == "*\n"
    assert stat.S_IMODE((work / ".sessions").stat().st_mode) == 0o700
    with SessionManager(work / ".sessions") as manager, Client() as client:
        assert manager.load_session("a").pending_files == ["x"]
        assert client.get_info()["pid"] == manager.client.get_info()["pid"] == pid
    os.chdir(work / ".sessions")
    with Client(store="../.sessions") as client:
        assert client.get_info()["pid"] == pid


def test_a_daemon_that_was_killed_is_started_again(work: Path) -> None:
    with SessionManager("store") as manager:
        manager.create_session("a", "src", ["x", "y"])
        for file in ("x", "y"):
            manager.client.report_progress("a", processed=[file])
            pid = manager.client.get_info()["pid"]
            os.kill(pid, signal.SIGKILL)
            eventually(lambda: ended((pid,)))
            assert file in manager.load_session("a").processed_files
            assert manager.client.get_info()["pid"] != pid


def test_workers_and_events_start_a_daemon_that_has_ended(work: Path) -> None:
    with SessionManager("store") as manager:
        manager.create_session("a", "src", ["x", "y"])

        def kill() -> None:
            pid = manager.client.get_info()["pid"]
            os.kill(pid, signal.SIGKILL)
            eventually(lambda: ended((pid,)))

        kill()
        with manager.client.attach("a") as worker:
            assert [worker.report(file) for file in worker] == [None, None]  # type: ignore[func-returns-value]
        kill()
        with manager.client.events() as events:
            assert next(events)["kind"] == "reset"
        assert manager.load_session("a").pending_files == []


def test_threads_go_on_while_their_daemon_is_killed(work: Path) -> None:
    files = [f"f{number}" for number in range(600)]
    with SessionManager("store") as manager:
        manager.create_session("a", "src", files)

        def report(mine: List[str]) -> None:
            for file in mine:
                manager.client.report_progress("a", processed=[file], results={file: file})

        threads = [threading.Thread(target=report, args=(files[n::4],)) for n in range(4)]
        for thread in threads:
            thread.start()
        for share in (100, 300):
            eventually(lambda: int(manager.client.get_summary("a")["processed_count"]) >= share)
            os.kill(manager.client.get_info()["pid"], signal.SIGKILL)
        for thread in threads:
            thread.join()
        session = manager.load_session("a")
        assert sorted(session.processed_files) == sorted(files) and session.pending_files == []
        assert session.partial_results == {file: file for file in files}


def test_events_start_a_daemon_again_too(work: Path) -> None:
    with Client(daemon=StoreDaemon(str(work / "s"), may_make=True)) as client, client.events() as events:
        assert next(events)["reason"] == "start"
        os.kill(client.get_info()["pid"], signal.SIGKILL)
        assert next(events)["reason"] == "other_run"


def test_a_daemon_that_was_stopped_on_purpose_stays_so_for_those_who_used_it(work: Path) -> None:
    with SessionManager("store") as manager:
        manager.create_session("a", "src")
        pid = manager.client.stop_daemon()["pid"]
        eventually(lambda: ended((pid,)))
        with refusal("daemon_unreachable"):
            manager.load_session("a")
    with SessionManager("store") as manager:
        assert manager.load_session("a") is not None


def test_threads_and_processes_that_start_at_once_use_one_daemon(work: Path) -> None:
    program = (
        "import sys; from sessiond import SessionManager\n"
        "with SessionManager('store') as m: m.create_session(sys.argv[1], 'src'); print(m.client.get_info()['pid'])"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "python" / "src")}
    processes = [
        subprocess.Popen([sys.executable, "-c", program, f"p{n}"], env=environment, stdout=subprocess.PIPE)
        for n in range(3)
    ]
    pids: List[int] = []
    with SessionManager("store") as manager:
        threads = [
            threading.Thread(target=lambda: pids.append(manager.client.get_info()["pid"])) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for process in processes:
            pids.append(int(process.communicate(timeout=60)[0]))
        assert len(pids) == 7 and len(set(pids)) == 1
        assert manager.get_session_count() == 3


def test_which_daemon_a_manager_uses(work: Path, daemon: RealDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    def socket_of(manager: SessionManager) -> str:
        with manager:
            return str(manager.client.get_info()["socket"])

    monkeypatch.setenv("SESSIOND_SOCKET", daemon.socket_path)
    # Neither was given and there is no store.
    assert socket_of(SessionManager()) == daemon.socket_path
    assert not (work / ".sessions").exists()
    # A directory that was given is used, even if it has the default's name.
    assert socket_of(SessionManager(".sessions")).startswith(str(work))
    # There is a store now.
    assert socket_of(SessionManager()).startswith(str(work))
    assert socket_of(SessionManager(".sessions", socket_path=daemon.socket_path)) == daemon.socket_path
    with Client() as client:
        assert client.daemon.socket_path == daemon.socket_path


def test_a_client_looks_for_the_nearest_store(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with SessionManager() as manager:
        manager.create_session("a", "src")
    below = work / "b" / "c"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    with Client() as client:
        assert client.get_stats()["total"] == 1
    (work / "b" / ".git").mkdir()
    # A repository ends the search, and so does the home directory.
    assert not isinstance(Client().daemon, StoreDaemon)
    (work / "b" / ".git").rmdir()
    monkeypatch.setenv("HOME", str(work / "b"))
    assert not isinstance(Client().daemon, StoreDaemon)


def test_a_start_that_fails_says_how_to_put_it_right(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failure(reason: str = "not_started") -> str:
        with SessionManager("store") as manager, pytest.raises(DaemonUnreachableError) as caught:
            manager.list_sessions()
        assert caught.value.code == "daemon_unreachable" and caught.value.reason == reason
        return str(caught.value)

    monkeypatch.setenv("SESSIOND_BIN", "/not/there")
    assert "SESSIOND_BIN names /not/there" in failure() and "install sessiond" in failure()
    monkeypatch.delenv("SESSIOND_BIN")
    monkeypatch.setenv("PATH", str(work))
    assert "no program sessiond in the PATH" in failure()
    program = work / "sessiond"
    program.write_text("#!/bin/sh\necho something odd; echo 'no such luck' >&2; exit 7\n")
    program.chmod(0o755)
    assert "it ended with status 7: no such luck" in failure()
    program.write_text("#!/bin/sh\nkill -9 $$\n")
    assert "by signal 9" in failure()
    program.write_bytes(b"\x7fELF")
    assert "cannot be run" in failure()


def test_no_store_is_made_where_no_daemon_can_serve_it(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SESSIOND_BIN", "/not/there")
    with SessionManager() as manager, refusal("daemon_unreachable"):
        manager.list_sessions()
    assert not (work / ".sessions").exists()
    # So that the socket which is named then is used.
    monkeypatch.setenv("SESSIOND_SOCKET", "/elsewhere")
    assert SessionManager().client.daemon.socket_path == "/elsewhere"


def test_a_bad_configuration_is_told_line_by_line(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (work / "sessiond").mkdir()
    (work / "sessiond" / "sessiond.yaml").write_text("limits: { depth: 0 }\nlog: { level: odd }\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(work))
    with SessionManager("store") as manager, pytest.raises(Exception) as caught:
        manager.list_sessions()
    assert "limits.depth" in str(caught.value) and "log.level" in str(caught.value)


def test_what_is_no_store_of_the_users_own_is_refused(work: Path) -> None:
    for mode, words in ((0o770, "its group"), (0o707, "everybody")):
        (work / "shared").mkdir()
        (work / "shared").chmod(mode)
        with pytest.raises(DaemonUnreachableError, match=words) as caught:
            SessionManager("shared")
        assert caught.value.reason == "not_permitted" and "chmod go-w" in str(caught.value)
        (work / "shared").rmdir()
    (work / "file").write_text("")
    with pytest.raises(DaemonUnreachableError, match="is not a directory"):
        SessionManager("file")
    with pytest.raises(DaemonUnreachableError, match="does not exist"), Client(store="missing") as client:
        client.get_stats()


def test_a_program_in_the_path_is_found(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = work / "bin" / "sessiond"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shutil.which("node")} {SESSIOND} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("SESSIOND_BIN", "bin/sessiond")
    with SessionManager("named") as manager:
        assert manager.get_session_count() == 0
    monkeypatch.delenv("SESSIOND_BIN")
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    with SessionManager("store") as manager:
        assert manager.get_session_count() == 0
