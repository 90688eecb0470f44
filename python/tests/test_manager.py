"""The manager against the real daemon: what users of the original module rely on."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
import time
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from enum import Enum
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional

import pytest
from conftest import RealDaemon, eventually
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from test_client import new_id, refusal
from test_exact_json import scalars, texts

from sessiond import Session, SessionManager, Status
from sessiond.connection import upgrade
from sessiond.errors import StorageFailedError
from sessiond.session import parse_time


@pytest.fixture
def manager(daemon: RealDaemon) -> Iterator[SessionManager]:
    with SessionManager(socket_path=daemon.socket_path) as manager:
        yield manager


# A tool that used the original module has models such as these.


class SessionStatus(str, Enum):
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"


class AnalysisDepth(Enum):
    QUICK = "quick"
    DEEP = "deep"


class AnalysisConfig(BaseModel):
    target_path: str
    file_patterns: List[str] = ["*.py"]
    coding_standards: Optional[Dict[str, Any]] = None
    analysis_depth: AnalysisDepth = AnalysisDepth.QUICK


class SessionState(BaseModel):
    session_id: str
    status: SessionStatus
    config: AnalysisConfig
    processed_files: List[str] = Field(default_factory=list)
    pending_files: List[str] = Field(default_factory=list)
    partial_results: Dict[str, Any] = Field(default_factory=dict)
    checkpoint_time: datetime


def test_pause_and_resume_with_the_models_of_a_tool(daemon: RealDaemon) -> None:
    name = new_id()
    with SessionManager(socket_path=daemon.socket_path, state_model=SessionState) as manager:
        config = AnalysisConfig(target_path=str(daemon.directory), analysis_depth=AnalysisDepth.DEEP)
        state = manager.create_session(name, config, ["a.py", "b.py", "c.py"])
        assert isinstance(state, SessionState) and state.config == config.copy(update={"coding_standards": {}})
        assert state.status is SessionStatus.RUNNING and state.checkpoint_time.tzinfo is not None
        assert manager.checkpoint(name, ["a.py"], ["b.py", "c.py"], {"a.py": {"score": 85.0, "lines": 85}})
        assert manager.pause_session(name) is True and manager.pause_session(name) is False
        assert manager.list_sessions(SessionStatus.PAUSED)[0].session_id == name
    with SessionManager(socket_path=daemon.socket_path, state_model=SessionState) as manager:
        resumed = manager.resume_session(name)
        assert resumed.status == SessionStatus.RUNNING and manager.resume_session(name) is None
        assert (resumed.processed_files, resumed.pending_files) == (["a.py"], ["b.py", "c.py"])
        score = resumed.partial_results["a.py"]
        assert score == {"score": 85.0, "lines": 85}
        assert (type(score["score"]), type(score["lines"])) == (float, int)
        for file in list(resumed.pending_files):
            resumed.processed_files.append(file)
            resumed.pending_files.remove(file)
            resumed.partial_results[file] = {"score": 1.0}
            assert manager.save_session(resumed) is None  # type: ignore[func-returns-value]
        resumed.status = SessionStatus.COMPLETED
        manager.save_session(resumed)
        done = manager.load_session(name)
        assert done == resumed and manager.get_session_count(SessionStatus.COMPLETED) >= 1


def test_the_dataclass_has_the_fields_of_the_document(manager: SessionManager) -> None:
    name = new_id()
    before = datetime.now(timezone.utc)
    session = manager.create_session(name, {"target_path": "src", "own": 1}, iter(["a"]))
    assert isinstance(session, Session) and session == manager.load_session(name)
    assert session.status is Status.RUNNING and str(session.status) == "running"
    assert session.status in ["running"]
    assert session.config["own"] == 1 and session.pending_files == ["a"] and session.processed_files == []
    assert before - timedelta(seconds=1) < session.checkpoint_time < before + timedelta(seconds=60)
    assert session.revision == 1 and session.generation and session.created_time == session.checkpoint_time
    with refusal("invalid_request"):
        manager.create_session(new_id(), "src", "a.py")
    with refusal("invalid_request"):
        manager.checkpoint(name, "a", [])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(texts, unique=True, max_size=6), min_size=1, max_size=3),
    st.dictionaries(texts, scalars, max_size=4),
    st.datetimes(timezones=st.sampled_from([timezone.utc, timezone(timedelta(hours=-5, minutes=-30))])),
)
def test_what_is_saved_comes_back(
    manager: SessionManager, lists: List[List[str]], results: Dict[str, Any], when: datetime
) -> None:
    name = "hypothesis"
    files = list(dict.fromkeys(file for part in lists for file in part))
    half = len(files) // 2
    state = Session(name, Status.PAUSED, {"target_path": "x"}, files[:half], files[half:], results, when)
    manager.save_session(state)
    back = manager.load_session(name)
    assert back == replace(state, revision=back.revision, generation=back.generation)
    assert back.checkpoint_time.utcoffset() == when.utcoffset()
    assert manager.resume_session(name).pending_files == files[half:]
    assert manager.delete_session(name)


def test_missing_and_unreadable_sessions_are_none_or_false(own_daemon: RealDaemon) -> None:
    (own_daemon.sessions_dir / "corrupt.json").write_text('{"session_id": "corrupt", "sta')
    with SessionManager(socket_path=own_daemon.socket_path) as manager:
        eventually(lambda: len(manager.client.get_health()["problems"]) > 0)
        for name in ("missing", "corrupt"):
            assert manager.load_session(name) is None and manager.resume_session(name) is None
            assert manager.session_exists(name) is False and manager.backup_session(name) is False
            assert manager.checkpoint(name, [], []) is False and manager.pause_session(name) is False
            assert manager.complete_session(name) is False and manager.fail_session(name) is False
            assert manager.update_session_status(name, "paused") is False
            assert manager.delete_session(name) is False
            assert manager.backup_session(name, own_daemon.directory / "b") is False
            valid, error = manager.validate_session(name)
            assert valid is False and error
            assert manager.get_session_health(name) == {"exists": False, "valid": False, "error": error}
        assert manager.validate_session("missing") == (False, "Session not found")
        assert manager.list_sessions() == [] and not (own_daemon.directory / "b").exists()
        assert manager.recover_session("missing") is None
        # What cannot be read is kept in quarantine when another session takes its place.
        assert manager.create_session("corrupt", "src").status == "running"
        kept = [file for file in own_daemon.sessions_dir.rglob("*corrupt*") if ".sessiond" in file.parts]
        assert any('"sta' in file.read_text() for file in kept if file.is_file())


def test_a_session_that_the_model_refuses_cannot_be_read(daemon: RealDaemon, manager: SessionManager) -> None:
    name = new_id()
    manager.create_session(name, {"target_path": "src", "file_patterns": ["*"], "analysis_depth": "standard"})
    with SessionManager(socket_path=daemon.socket_path, state_model=SessionState) as typed:
        assert typed.load_session(name) is None
        assert name not in [state.session_id for state in typed.list_sessions()]


def test_a_session_in_the_place_of_another(manager: SessionManager) -> None:
    name = new_id()
    first = manager.create_session(name, "first", ["a"])
    second = manager.create_session(name, "second", ["b"])
    assert second.generation != first.generation and manager.load_session(name) == second
    (entry,) = [old for old in manager.client.list_trash()["entries"] if old["session_id"] == name]
    # What is wrong with the new one is found before the old one goes.
    with refusal("invalid_request"):
        manager.create_session(name, "third", ["a", "a"])
    assert manager.load_session(name) == second
    manager.delete_session(name)
    assert manager.client.restore_trash(name, trash_id=entry["trash_id"])["target_path"] == "first"


def test_a_session_with_a_worker_is_not_replaced(manager: SessionManager, daemon: RealDaemon) -> None:
    name = new_id()
    session = manager.create_session(name, "src", ["a"])
    worker = upgrade(daemon.socket_path, f"/v1/sessions/{name}/attach", "sessiond-channel/1", timeout=10)
    try:
        assert b'"attached"' in worker.reader.readline()
        changes: List[Callable[[], object]] = [
            lambda: manager.create_session(name, "other"),
            lambda: manager.delete_session(name),
            lambda: manager.save_session(session),
            lambda: manager.checkpoint(name, ["a"], []),
        ]
        for change in changes:
            with refusal("lease_held"):
                change()
        assert manager.load_session(name) == session
        assert manager.pause_session(name) is True
    finally:
        worker.socket.sendall(b'{"type":"detach"}\n')
        while worker.reader.readline() != b"":
            pass
        worker.reader.close()
        worker.socket.close()
    assert manager.create_session(name, "other").config["target_path"] == "other"


def test_many_create_the_same_session_at_once(manager: SessionManager) -> None:
    name = new_id()
    created: List[Session] = []
    threads = [
        threading.Thread(target=lambda n=n: created.append(manager.create_session(name, f"{n}")))
        for n in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({session.generation for session in created}) == 6
    trash = [entry for entry in manager.client.list_trash()["entries"] if entry["session_id"] == name]
    assert len(trash) == 5 and manager.load_session(name) in created


def test_on_a_full_disk_the_old_session_stays_and_nothing_is_half_written(directory: Path) -> None:
    disk = directory / "disk"
    disk.mkdir()
    if subprocess.call(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]) != 0:
        assert not os.environ.get("CI_RUN"), "this test needs to mount a file system"
        pytest.skip("this test needs to mount a file system")
    daemon = RealDaemon(disk)
    try:
        daemon.start()
        with SessionManager(socket_path=daemon.socket_path) as manager:
            manager.create_session("a", "src", ["x" * 100_000])
            (disk / "fill").write_bytes(b"x")
            with refusal("storage_full"), open(disk / "fill", "wb", 0) as fill:
                try:
                    while True:
                        fill.write(b"x" * 4096)
                except OSError:
                    manager.create_session("a", "new", ["y" * 100_000])
            assert manager.load_session("a").pending_files == ["x" * 100_000]
            with refusal("storage_full"):
                manager.backup_session("a", disk / "backups")
            assert list((disk / "backups").iterdir()) == []
            (disk / "fill").unlink()
            assert manager.create_session("a", "new").config["target_path"] == "new"
    finally:
        daemon.kill()
        subprocess.check_call(["umount", str(disk)])


def test_saving_keeps_what_the_state_does_not_know(daemon: RealDaemon, manager: SessionManager) -> None:
    name = new_id()
    client = manager.client
    config = {"target_path": "src", "analysis_depth": "quick", "own": {"depth": 1}}
    client.create_session(config, session_id=name, labels={"a": "b"}, pinned=True, run={"jobs": 4})
    stored = client.get_session(name)
    client.save_session({**stored, "own": [1.0], "checkpoint_time": "2026-01-02T03:04:05.5Z"})
    with SessionManager(socket_path=daemon.socket_path, state_model=SessionState) as typed:
        state = typed.load_session(name)
        state.pending_files.append("new")
        typed.save_session(state)
    saved = client.get_session(name)
    assert saved["pending_files"] == ["new"]
    assert saved["own"] == [1.0] and saved["config"]["own"] == {"depth": 1}
    assert (saved["labels"], saved["pinned"], saved["run"]) == ({"a": "b"}, True, {"jobs": 4})
    assert (saved["generation"], saved["created_time"]) == (stored["generation"], stored["created_time"])
    assert saved["checkpoint_time"] == "2026-01-02T03:04:05.5Z"
    manager.save_session({"session_id": name, "status": SessionStatus.FAILED, "labels": {}})
    assert manager.load_session(name).labels == {} and manager.get_session_count("failed") >= 1


def test_saving_beside_others_loses_none_of_their_keys(manager: SessionManager) -> None:
    name = new_id()
    state = manager.create_session(name, "src", ["a"])

    def label(number: int) -> None:
        for turn in range(10):
            manager.client.edit_session(name, labels={f"{number}-{turn}": "x"})

    threads = [threading.Thread(target=label, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        manager.save_session(state)
    for thread in threads:
        thread.join()
    assert len(manager.load_session(name).labels) == 20


@dataclass
class PlainState:
    """The state of a tool, as a dataclass that knows little."""

    session_id: str
    status: str
    config: Dict[str, Any]
    partial_results: Dict[str, Any] = field(default_factory=dict)


class TwoState:
    """A model with the interface of pydantic 2."""

    model_fields = {"session_id": None, "status": None}
    model_config: Dict[str, Any] = {"extra": "ignore"}

    def __init__(self, **values: Any) -> None:
        assert set(values) <= set(self.model_fields) or self.model_config["extra"] == "allow"
        self.values = values

    def model_dump(self) -> Dict[str, Any]:
        return self.values


class OpenTwoState(TwoState):
    model_config = {"extra": "allow"}


@pytest.mark.parametrize("model", [PlainState, TwoState, OpenTwoState, dict, lambda **values: values])
def test_any_model_of_a_state(daemon: RealDaemon, model: Any) -> None:
    name = new_id()
    with SessionManager(socket_path=daemon.socket_path, state_model=model) as manager:
        state = manager.create_session(name, PlainState("x", "y", {}, {}).config or "src", ["a"])
        assert manager.checkpoint(name, ["a"], [], {"a": 1.0})
        manager.save_session(state)
        back = manager.load_session(name)
        assert type(back) is type(state)
        assert manager.client.get_session(name)["status"] == "running"
        assert [type(each) for each in manager.list_sessions("running")][0] is type(state)


def test_every_status_can_be_given(manager: SessionManager) -> None:
    name = new_id()
    manager.create_session(name, "src")
    for before in Status:
        for after in Status:
            for status in (before, after, SessionStatus(after.value), after.value):
                assert manager.update_session_status(name, status) is True
                assert manager.load_session(name).status == status
    for odd in ("odd", None, 7):
        with refusal("invalid_request"):
            manager.update_session_status(name, odd)
    with refusal("invalid_request"):
        manager.list_sessions("odd")


def test_lists_counts_and_cleanup(own_daemon: RealDaemon) -> None:
    with SessionManager(socket_path=own_daemon.socket_path) as manager:
        for number in range(8):
            manager.create_session(f"s{number}", "src")
            if number < 4:
                manager.complete_session(f"s{number}")
        manager.fail_session("s7")
        newest_first = [session.session_id for session in manager.list_sessions()]
        assert newest_first == ["s7", "s6", "s5", "s4", "s3", "s2", "s1", "s0"]
        assert [session.session_id for session in manager.list_sessions(Status.COMPLETED)][0] == "s3"
        assert manager.get_session_count() == 8 and manager.get_session_count("completed") == 4
        assert manager.cleanup_completed_sessions() == 0
        assert manager.cleanup_completed_sessions(keep_recent=1) == 3
        assert manager.cleanup_failed_sessions() == 1 and manager.cleanup_failed_sessions() == 0
        assert manager.cleanup_expired_sessions() == 0
        manager.client.edit_session("s6", pinned=True)
        assert manager.cleanup_expired_sessions(max_age_days=0) == 3
        assert [session.session_id for session in manager.list_sessions()] == ["s6"]
        with refusal("invalid_request"):
            manager.cleanup_completed_sessions(-1)


def test_backups(manager: SessionManager, daemon: RealDaemon, directory: Path) -> None:
    name = f"{new_id()}.ü/x"
    manager.create_session(name, "src", ["a"])
    manager.checkpoint(name, ["a"], [], {"a": {"score": 85.0}})
    assert manager.backup_session(name) is True
    assert len(manager.client.list_backups(name)["backups"]) == 1
    where = directory / "new" / "backups"
    assert manager.backup_session(name, str(where)) is True and manager.backup_session(name, where) is True
    first, second = sorted(where.iterdir(), key=lambda file: (len(file.name), file.name))
    # The daemon names the file of the session by the same rule.
    stored = [file.stem for file in daemon.sessions_dir.glob(f"{name[:14]}*.json")]
    assert [re.sub(r"_\d{8}_\d{6}(_2)?\.json$", "", file.name) for file in (first, second)] == stored * 2
    for file in (first, second):
        assert json.loads(file.read_text())["partial_results"] == {"a": {"score": 85.0}}
        assert '"score":85.0' in file.read_text()
    (directory / "file").write_text("")
    with pytest.raises(StorageFailedError) as caught:
        manager.backup_session(name, directory / "file")
    assert caught.value.code == "storage_failed" and str(directory / "file") in str(caught.value)


def test_validity_recovery_and_health(manager: SessionManager, daemon: RealDaemon) -> None:
    name = new_id()
    there = daemon.directory / f"{name}.py"
    there.write_text("")
    manager.create_session(name, daemon.directory, [there, "/not/there"])
    manager.checkpoint(name, [str(there)], ["/not/there"])
    assert manager.validate_session(name) == (True, None)
    health = manager.get_session_health(name)
    assert health == {
        "exists": True,
        "valid": True,
        "error": None,
        "status": Status.RUNNING,
        "progress": 0.5,
        "processed_count": 1,
        "pending_count": 1,
        "missing_files": ["/not/there"],
        "last_checkpoint": health["last_checkpoint"],
    }
    assert parse_time(health["last_checkpoint"]) == manager.load_session(name).checkpoint_time
    path = daemon.sessions_dir / f"{name}.json"
    document = json.loads(path.read_text())
    document["pending_files"].append(str(there))
    path.write_text(json.dumps(document))
    eventually(lambda: manager.validate_session(name)[0] is False)
    assert str(there) in str(manager.validate_session(name)[1])
    assert manager.recover_session(name).pending_files == ["/not/there"]
    assert manager.validate_session(name) == (True, None)
    gone = new_id()
    manager.create_session(gone, "/not/there")
    assert manager.validate_session(gone) == (False, "Target path does not exist: /not/there")
    assert manager.recover_session(gone) is None


def test_other_trouble_raises(own_daemon: RealDaemon) -> None:
    with SessionManager(socket_path=own_daemon.socket_path) as manager, refusal("invalid_request"):
        manager.cleanup_expired_sessions(float("inf"))
    with SessionManager(socket_path=own_daemon.socket_path) as manager:
        state = manager.create_session("a", "src")
        with refusal("invalid_session_id"):
            manager.load_session("")
        with refusal("invalid_request"):
            manager.create_session("b", {"target": "src"})
        with refusal("invalid_request"):
            manager.create_session("b", object())
        naive = replace(state, checkpoint_time=datetime(2026, 1, 2))
        with refusal("invalid_request"):
            manager.save_session(naive)
        own_daemon.kill()
        with refusal("daemon_unreachable"):
            manager.list_sessions()
        with refusal("daemon_unreachable"):
            manager.load_session("a")
        own_daemon.start()
        assert manager.load_session("a") == state


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, 0, timezone.utc)),
        ("2026-01-02T03:04:05.5+02:00", datetime(2026, 1, 2, 3, 4, 5, 500_000, timezone(timedelta(hours=2)))),
        ("2026-01-02T03:04:05.000001-0530", datetime(2026, 1, 2, 8, 34, 5, 1, timezone.utc)),
    ],
)
def test_times(text: str, time: datetime) -> None:
    assert parse_time(text) == time and parse_time(text).utcoffset() == time.utcoffset() or "-0530" in text
    for odd in ("2026-01-02", "2026-01-02T03:04:05", "2026-13-02T03:04:05Z", "now"):
        with pytest.raises(ValueError):
            parse_time(odd)
