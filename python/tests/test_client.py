"""The client against the real daemon: the whole API, errors, lost connections, threads."""

from __future__ import annotations

import inspect
import os
import pickle
import re
import signal
import socket
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest
from conftest import RealDaemon, eventually
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_exact_json import spellings, texts, types_of, values

import sessiond
from sessiond import Client, DaemonUnreachableError, Issue, SessiondError, TimedOutError
from sessiond.connection import upgrade
from sessiond.errors import error_of
from sessiond.exact_json import parse_json, stringify_json

SRC: Dict[str, Any] = {"target_path": "src"}


def new_id() -> str:
    return f"s-{uuid.uuid4().hex[:12]}"


def refusal(code: str) -> Any:
    """Expects an error with a code."""

    class Refusal:
        def __enter__(self) -> "Refusal":
            return self

        def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
            assert isinstance(error, SessiondError), f"{code} was expected, not {error!r}"
            assert error.code == code and type(error).code == code
            return True

    return Refusal()


def method_of(operation: str) -> str:
    names = {"watchEvents": "events", "attachWorker": "attach"}
    return names.get(operation) or re.sub("([A-Z])", lambda match: f"_{match[1].lower()}", operation)


def test_every_endpoint_has_a_method_with_all_its_arguments(client: Client) -> None:
    missing: List[str] = []
    for path, methods in client.get_open_api()["paths"].items():
        for operation in methods.values():
            method = getattr(Client, method_of(operation["operationId"]), None)
            if method is None:
                missing.append(operation["operationId"])
                continue
            taken = {name.replace("session_id", "id") for name in inspect.signature(method).parameters}
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            wanted = [
                *(parameter["name"] for parameter in operation.get("parameters", [])),
                *body.get("schema", {}).get("properties", {}),
            ]
            for name in wanted:
                python = name.replace("-", "_").replace("session_id", "id")
                is_given = python in taken or (path, name) in NOT_ARGUMENTS or method is Client.save_session
                if not is_given:
                    missing.append(f"{operation['operationId']}: {name}")
    assert missing == []


NOT_ARGUMENTS = {
    # The library gives them itself.
    ("/v1/events", "last-event-id"),
    ("/v1/sessions/{id}/attach", "sessiond-token"),
    ("/v1/sessions/{id}/attach", "process"),
    # get_session_if_changed
    ("/v1/sessions/{id}", "if-none-match"),
}


def codes_in(part: Any) -> List[str]:
    """The codes that the schema of an error lists, wherever it is."""
    if isinstance(part, list):
        return [code for item in part for code in codes_in(item)]
    if not isinstance(part, dict):
        return []
    listed = part["enum"] if "session_not_found" in part.get("enum", ()) else []
    return [*listed, *(code for member in part.values() for code in codes_in(member))]


def test_every_code_has_a_class_of_its_own(client: Client) -> None:
    codes = codes_in(client.get_open_api())
    assert len(codes) > 15
    for code in codes:
        error = error_of(code, "words", issues=[Issue("a", "b")], outcome="unknown")
        assert type(error) is not SessiondError and type(error).code == code
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), again.code) == (type(error), "words", code)
        assert (again.issues, again.outcome) == ((Issue("a", "b"),), "unknown")
    newer = error_of("not_known_yet", "words")
    assert type(newer) is SessiondError and newer.code == "not_known_yet"
    lost = DaemonUnreachableError("closed", "/s", "words", outcome="unknown")
    again = pickle.loads(pickle.dumps(lost))
    assert (again.reason, again.socket_path, str(again), again.outcome) == ("closed", "/s", "words", "unknown")


def test_a_session_from_its_creation_to_the_trash(client: Client) -> None:
    name = new_id()
    created = client.create_session(
        SRC, session_id=name, pending_files=["a", Path("b")], labels={"team": name}, run={"command": ["x"]}
    )
    assert created["pending_files"] == ["a", "b"] and created["status"] == "running"
    report = client.report_progress(name, processed=["a"], results={"a": {"score": 85.0}}, added=["c"])
    assert report == {"status": "running", "revision": 2, "processed_count": 1, "pending_count": 2}
    assert client.list_files(name, limit=1)["files"] == ["b"]
    assert client.list_files(name, state="processed")["files"] == ["a"]
    assert client.list_results(name, failed=False)["results"] == {"a": {"score": 85.0}}
    checkpoint = client.checkpoint_session(name, ["a", "b"], ["c"], {"b": 1})
    assert checkpoint["processed_count"] == 2
    requeued = client.requeue_files(name, ["b", "a"])
    assert (requeued["processed_count"], requeued["pending_count"]) == (0, 3)
    assert client.list_files(name)["files"] == ["c", "b", "a"]
    client.requeue_files(name, ["a"], unless_finished_since=datetime.now(timezone.utc))
    with refusal("lease_lost"):
        client.evict_worker(name, 7)
    assert client.pause_session(name, reason="lunch")["status_reason"] == "lunch"
    assert client.resume_session(name)["partial_results"] == {"a": {"score": 85.0}, "b": 1}
    assert client.fail_session(name)["status"] == "failed"
    assert client.reopen_session(name)["status"] == "running"
    assert client.complete_session(name)["status"] == "completed"
    assert client.edit_session(name, labels={"team": None, "x": "y"}, pinned=True)["labels"] == {"x": "y"}
    assert client.forget_run(name) and "run" not in client.get_session(name)
    assert [page["session_id"] for page in client.all_sessions(label={"x": "y"}, limit=1)] == [name]
    assert client.list_sessions(status=["completed", "failed"], q=name, pinned=True)["total"] == 1
    assert client.list_sessions(q=name, older_than=timedelta(days=1))["total"] == 0
    assert client.validate_session(name)["findings"] != []
    assert client.recover_session(name)["recovered"] is True
    backup = client.create_backup(name)["backup"]
    assert backup in [entry["backup"] for entry in client.list_backups(name)["backups"]]
    assert client.restore_backup(name, backup)["session"]["session_id"] == name
    assert client.get_summary(name)["pending_count"] == 3
    trash_id = client.delete_session(name)["trash_id"]
    with refusal("session_deleted"):
        client.get_session(name)
    assert trash_id in [entry["trash_id"] for entry in client.list_trash()["entries"]]
    assert client.restore_trash(name, trash_id=trash_id)["session_id"] == name
    assert client.delete_session(name, purge=True, force=True)["purged"] is True
    with refusal("session_not_found"):
        client.get_session(name)


def test_what_concerns_the_daemon(client: Client, daemon: RealDaemon) -> None:
    assert client.get_info()["socket"] == daemon.socket_path
    assert client.get_health()["status"] == "ok"
    assert client.get_stats()["total"] >= 0
    assert {job["job"] for job in client.get_cleanup(due=True)["jobs"]} >= {"completed", "expired", "failed"}
    plan = client.run_cleanup("expired", dry_run=True, max_age=timedelta(days=400))
    assert plan["outcome"] == "planned" and plan["removed"] == 0
    assert client.get_cleanup_history(limit=1)["entries"] == []
    assert client.empty_trash(older_than="400d")["removed"] == 0
    assert client.reload() == {"applied": [], "needs_restart": []}
    with refusal("invalid_request"):
        client.stop_daemon()
    with refusal("approval_required"):
        client.run_cleanup("completed", approve="no such plan")


def test_conditions_protect_the_changes_of_others(client: Client) -> None:
    name = new_id()
    seen = client.create_session(SRC, session_id=name)
    assert seen.etag is not None and client.get_session_if_changed(name, seen.etag) is None
    client.edit_session(name, pinned=True)
    with refusal("revision_mismatch"):
        client.save_session(seen, if_match=seen.etag)
    with refusal("revision_mismatch"):
        client.save_session(seen, if_none_match="*")
    changed = client.get_session_if_changed(name, seen.etag)
    assert changed is not None and client.save_session(seen, if_match=changed.etag)["pinned"] is False


def test_errors_say_what_is_wrong_and_where(client: Client) -> None:
    name = new_id()
    with pytest.raises(sessiond.errors.InvalidRequestError) as caught:
        client.create_session({"target_path": " "})
    assert [issue.path for issue in caught.value.issues] == ["config.target_path"]
    with refusal("session_not_found"):
        client.pause_session(name)
    client.create_session(SRC, session_id=name, pending_files=["a"])
    with refusal("session_exists"):
        client.create_session(SRC, session_id=name)
    with refusal("invalid_transition"):
        client.resume_session(name)
    for odd in ("", "\ud800", "\n", "x" * 200):
        with refusal("invalid_session_id"):
            client.get_session(odd)
    for value in (float("nan"), {1, 2}, "\ud83d" + "\ude00"):
        with refusal("invalid_request"):
            client.report_progress(name, results={"a": value})
    with refusal("invalid_request"):
        client.create_session(SRC, pending_files="a.py")
    with refusal("invalid_request"):
        client.create_session(SRC, pending_files=["a", "a"])
    assert client.session_exists(name) and not client.session_exists(new_id())


@pytest.mark.parametrize("name", [".", "..", "a/b", "ä ö", "%41", "a?b#c", "😀"])
def test_any_id_is_one_part_of_the_path(client: Client, name: str) -> None:
    client.create_session(SRC, session_id=name)
    assert client.get_session(name)["session_id"] == name
    client.delete_session(name, purge=True)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(texts, values, max_size=5), st.lists(texts, unique=True, max_size=5), spellings)
def test_any_document_comes_back_unaltered(
    client: Client, found: Dict[str, Any], files: List[str], spelling: str
) -> None:
    name = new_id()
    results = dict(found, number=parse_json(spelling))
    results["__proto__"] = {"constructor": 1}
    client.create_session(dict(SRC, own=results), session_id=name, pending_files=files)
    client.report_progress(name, processed=files, results=results)
    back = client.get_session(name)
    assert back["processed_files"] == files
    for part in (back["partial_results"], back["config"]["own"]):
        assert part == results
        assert types_of(part) == types_of(results)
        assert stringify_json(part["number"]).decode() == spelling
    client.save_session(back)
    assert client.get_session(name)["partial_results"] == results
    assert spelling.encode() in client.read_session(name)
    client.delete_session(name, purge=True)


def test_threads_share_a_client(client: Client) -> None:
    name = new_id()
    files = [f"f{number}" for number in range(400)]
    client.create_session(SRC, session_id=name, pending_files=files)

    def report(file: str) -> int:
        return int(client.report_progress(name, processed=[file], results={file: file})["revision"])

    with ThreadPoolExecutor(16) as threads:
        revisions = list(threads.map(report, files))
    assert sorted(revisions) == list(range(2, 402))
    back = client.get_session(name)
    assert back["pending_files"] == [] and back["partial_results"] == {file: file for file in files}


def test_connections_are_kept_and_threads_do_not_pile_them_up(daemon: RealDaemon) -> None:
    with Client(daemon.socket_path) as client:
        for _ in range(20):
            client.get_stats()
        # The connection that asks, and those of other tests' clients.
        before = client.get_info()["connections"]["open"]
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda _: client.get_stats(), range(200)))
        assert client.get_info()["connections"]["open"] <= before + 8


def test_a_child_process_does_not_use_the_connections_of_its_parent(client: Client) -> None:
    name = new_id()
    client.create_session(SRC, session_id=name)
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if client.get_session(name)["session_id"] == name else 1)
        finally:
            os._exit(2)
    for _ in range(50):
        assert client.get_stats()["total"] >= 1
    assert os.waitpid(child, 0)[1] == 0


def test_a_client_outlives_the_daemon(own_daemon: RealDaemon) -> None:
    with Client(own_daemon.socket_path) as client:
        name = client.create_session(SRC, pending_files=["a", "b"])["session_id"]
        for file, how in (("a", signal.SIGKILL), ("b", signal.SIGTERM)):
            client.report_progress(name, processed=[file])
            own_daemon.kill(how)
            with pytest.raises(DaemonUnreachableError) as caught:
                client.get_session(name)
            assert caught.value.reason in ("missing", "refused") and caught.value.outcome == "not_applied"
            assert own_daemon.socket_path in str(caught.value)
            own_daemon.start()
            assert file in client.get_session(name)["processed_files"]


def test_a_large_body_is_refused_whatever_was_sent(directory: Path) -> None:
    daemon = RealDaemon(directory, "limits: { body: 1MiB }\n")
    daemon.start()
    try:
        with Client(daemon.socket_path) as client:
            for _ in range(3):
                with refusal("payload_too_large"):
                    client.create_session({**SRC, "text": "x" * 8_000_000})
                assert client.get_stats()["total"] == 0
    finally:
        daemon.kill()


def test_why_a_daemon_cannot_be_reached(directory: Path) -> None:
    path = str(directory / "s")

    def reason() -> str:
        with Client(path, timeout=0.2) as client, pytest.raises(DaemonUnreachableError) as caught:
            client.get_stats()
        assert isinstance(caught.value, ConnectionError) and caught.value.socket_path == path
        assert path in str(caught.value)
        return caught.value.reason

    assert reason() == "missing"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(path)
        assert reason() == "refused"
    os.unlink(path)
    path = str(directory / ("x" * 120))
    assert reason() == "missing"


@pytest.fixture
def fake(directory: Path) -> Iterator["Fake"]:
    """A program that answers with whatever a test says."""
    fake = Fake(str(directory / "fake"))
    yield fake
    fake.close()


class Fake:
    def __init__(self, path: str) -> None:
        self.path = path
        self.answers: List[bytes] = []
        self.asked: List[bytes] = []
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(path)
        self._socket.listen()
        self._open: List[socket.socket] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._open.append(connection)
            while self.answers:
                request = _request_from(connection)
                if request == b"":
                    break
                self.asked.append(request)
                answer = self.answers.pop(0)
                if answer == b"":
                    connection.close()
                    break
                connection.sendall(answer)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()
        for connection in self._open:
            connection.close()


def _request_from(connection: socket.socket) -> bytes:
    """One request with its body; empty at the end of the connection."""
    request = b""
    while True:
        head, end, body = request.partition(b"\r\n\r\n")
        size = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        if end and len(body) >= (int(size[1]) if size else 0):
            return request
        try:
            more = connection.recv(65_536)
        except OSError:
            return b""
        if more == b"":
            return b""
        request += more


OK = b'HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n{"total": 42}'


def test_what_is_no_sessiond_is_told_apart(fake: Fake) -> None:
    for answer in (
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]",
        b"HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\n\r\n<htm>",
    ):
        fake.answers.append(answer)
        with Client(fake.path, timeout=5) as client, pytest.raises(DaemonUnreachableError) as caught:
            client.get_stats()
        assert caught.value.reason == "not_sessiond"


def test_a_change_is_repeated_only_where_that_does_no_harm(fake: Fake) -> None:
    with Client(fake.path, timeout=5) as client:
        # A kept connection ends with the next request: nobody knows whether it was carried out.
        fake.answers += [OK, b"", OK]
        assert client.get_stats()["total"] == 42
        assert client.report_progress("a", processed=["x"])["total"] == 42
    with Client(fake.path, timeout=5) as client:
        fake.answers += [OK, b""]
        client.get_stats()
        with pytest.raises(DaemonUnreachableError) as caught:
            client.pause_session("a")
        assert (caught.value.reason, caught.value.outcome) == ("closed", "unknown")
    assert len([request for request in fake.asked if b"/pause" in request]) == 1


def test_a_silent_daemon_times_out(fake: Fake) -> None:
    fake.answers += [b"HTTP/1.1 200 OK\r\n"]
    with Client(fake.path, timeout=0.2) as client, pytest.raises(TimedOutError) as caught:
        client.pause_session("a")
    assert caught.value.code == "timed_out" and caught.value.outcome == "unknown"
    assert isinstance(caught.value, TimeoutError)


def test_a_reply_that_is_cut_off_is_no_reply(fake: Fake) -> None:
    fake.answers += [b'HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"total"', b""]
    with Client(fake.path, timeout=5) as client, pytest.raises(DaemonUnreachableError) as caught:
        with ThreadPoolExecutor(1) as threads:
            reply = threads.submit(client.get_stats)
            eventually(lambda: len(fake.asked) == 1)
            fake._open[0].shutdown(socket.SHUT_RDWR)
            reply.result()
    assert caught.value.reason == "closed"


def test_an_upgrade_is_refused_as_any_request(daemon: RealDaemon) -> None:
    with refusal("session_not_found"):
        upgrade(daemon.socket_path, f"/v1/sessions/{new_id()}/attach", "sessiond-channel/1", timeout=5)


def test_an_upgrade_gives_what_follows_the_head(fake: Fake) -> None:
    fake.answers += [b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\n\r\n{}\n{"]
    upgraded = upgrade(fake.path, "/v1/sessions/a/attach", "sessiond-channel/1", {"x": "y"}, timeout=5)
    assert upgraded.reader.readline() == b"{}\n"
    upgraded.reader.close()
    upgraded.socket.close()
    assert b"upgrade: sessiond-channel/1\r\n" in fake.asked[0] and b"x: y\r\n" in fake.asked[0]


def test_events_go_on_over_a_restart_and_end_when_they_are_closed(own_daemon: RealDaemon) -> None:
    with Client(own_daemon.socket_path) as client, client.events(kind=["session.status"]) as events:
        assert next(events)["reason"] == "start"
        name = client.create_session(SRC)["session_id"]
        client.pause_session(name, reason="lunch")
        event = next(events)
        assert (event["kind"], event["from"], event["to"]) == ("session.status", "running", "paused")
        with client.events(since=event["id"]) as later:
            client.edit_session(name, pinned=True)
            assert next(later)["kind"] == "session.updated"
        own_daemon.restart()
        assert next(events)["reason"] == "other_run"
        client.resume_session(name)
        assert next(events)["to"] == "running"
        thread = threading.Timer(0.1, events.close)
        thread.start()
        assert list(events) == []
        thread.join()


def test_events_of_nobody_are_an_error(own_daemon: RealDaemon) -> None:
    with Client(own_daemon.socket_path) as client:
        with refusal("invalid_request"), client.events(kind="session.odd") as events:
            next(events)
        with client.events(reconnect=0.1) as events:
            next(events)
            own_daemon.kill()
            with pytest.raises(DaemonUnreachableError):
                list(events)
