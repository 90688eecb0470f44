"""Workers with the real daemon: what is reported, pauses, lost connections, and workers beside each other."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any, Dict, List

import pytest
from conftest import ROOT, RealDaemon, eventually

from sessiond import Client, Worker
from sessiond.calls import session_path
from sessiond.errors import (
    InvalidRequestError,
    LeaseHeldError,
    LeaseLostError,
    NotClaimedError,
    PayloadTooLargeError,
    SessionDeletedError,
    SessionNotFoundError,
)

BOTH = pytest.mark.parametrize("shared", [False, True], ids=["exclusive", "shared"])


def create(client: Client, count: int = 10, *, name: str = "f") -> str:
    """A session with so many files."""
    files = [f"{name}{at}" for at in range(count)]
    return str(client.create_session({"target_path": "."}, pending_files=files)["session_id"])


def attach(client: Client, session: str, shared: bool, **options: Any) -> Worker:
    worker: Worker
    if shared:
        worker = client.attach(session, shared=True, **options)
    else:
        worker = client.attach(session, **options)
    return worker


def processed(client: Client, session: str) -> int:
    """How many files are processed."""
    return int(client.get_summary(session)["processed_count"])


def workers(client: Client, session: str) -> List[Dict[str, Any]]:
    """The workers of a session, as a summary has them."""
    return list(client.get_summary(session)["workers"])


class Process:
    """A Python program of a test, which imports the package."""

    def __init__(self, source: str, daemon: RealDaemon, *arguments: str) -> None:
        path = os.pathsep.join([str(ROOT / "python/src")])
        self.popen = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(source), *arguments],
            env={**os.environ, "PYTHONPATH": path, "SESSIOND_SOCKET": daemon.socket_path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> "subprocess.Popen[str]":
        return self.popen

    def __exit__(self, *_: object) -> None:
        self.popen.kill()
        self.popen.communicate()


@BOTH
def test_it_reports_each_file_and_leaves(client: Client, shared: bool) -> None:
    session = create(client)
    with attach(client, session, shared, worker="the one") as worker:
        [known] = workers(client, session)
        assert (known["name"], known["epoch"], known["shared"]) == ("the one", worker.epoch, shared)
        for at, file in enumerate(worker):
            worker.report(file, {"at": at, "score": 85.0})
            assert processed(client, session) == at + 1
        assert worker.stopped is None
    stored = client.get_session(session)
    assert stored["processed_files"] == [f"f{at}" for at in range(10)]
    assert stored["partial_results"]["f3"] == {"at": 3, "score": 85.0}
    assert stored["status"] == "running"
    assert workers(client, session) == []


@BOTH
def test_reports_that_are_not_waited_for_are_durable_at_the_end(client: Client, shared: bool) -> None:
    session = create(client, 3000)
    with attach(client, session, shared) as worker:
        for file in worker:
            worker.report(file, wait=False)
        worker.flush()
        assert client.get_summary(session)["pending_count"] == 0


@BOTH
def test_added_files_are_worked_on_as_well(client: Client, shared: bool) -> None:
    session = create(client, 2)
    with attach(client, session, shared) as worker:
        for file in worker:
            worker.report(file, added=[f"{file}.more"] if len(file) < 5 else [], wait=False)
    assert client.get_session(session)["processed_files"] == ["f0", "f1", "f0.more", "f1.more"]


@BOTH
def test_files_that_the_session_has_are_not_worked_on_again(client: Client, shared: bool) -> None:
    links = {"a": ["b", "c", "a"], "b": ["c", "a", "b"], "c": ["a", "d", "d"], "d": ["b"]}
    session = str(client.create_session({"target_path": "."}, pending_files=["a"])["session_id"])
    worked: List[str] = []
    with attach(client, session, shared) as worker:
        for page in worker:
            worked.append(page)
            worker.report(page, added=links[page])
    assert worked == ["a", "b", "c", "d"]
    assert client.get_session(session)["processed_files"] == worked


def test_a_file_that_was_reported_with_another_is_not_handed_out(client: Client) -> None:
    session = create(client, 6)
    with client.attach(session) as worker:
        handed_out = []
        for file in worker:
            handed_out.append(file)
            worker.report_progress([Path(file), Path(f"f{int(file[1:]) + 1}")])
    assert handed_out == ["f0", "f2", "f4"]
    assert client.get_summary(session)["pending_count"] == 0


def test_files_are_added_while_the_session_is_read_again(client: Client) -> None:
    session = create(client, 3)
    with client.attach(session) as worker:
        files = iter(worker)
        first = next(files)
        read = worker._read

        def read_late(action: str) -> Any:
            answer = read(action)
            worker.report(first, added=["late"])
            return answer

        worker._read = read_late
        client.pause_session(session)
        eventually(lambda: worker.status == "paused")
        client.resume_session(session)
        eventually(lambda: worker.status == "running")
        rest = []
        for file in files:
            worker._read = read
            rest.append(file)
            worker.report(file)
    assert rest == ["f1", "f2", "late"]


def test_it_comes_back_while_its_session_cannot_be_read(own_daemon: RealDaemon) -> None:
    with Client(own_daemon.socket_path) as client:
        session = create(client, 3)
        path = own_daemon.sessions_dir / f"{session}.json"
        whole = path.read_bytes()
        with client.attach(session) as worker:
            path.write_bytes(whole[:50])
            eventually(lambda: len(client.get_health()["problems"]) > 0)
            mended = threading.Timer(0.3, path.write_bytes, [whole])
            mended.start()
            worker.report("f0")
            mended.join()
        assert client.get_session(session)["processed_files"] == ["f0"]


def test_it_is_told_why_it_may_not_attach(client: Client) -> None:
    with pytest.raises(SessionNotFoundError):
        client.attach("nobody")
    session = create(client)
    with client.attach(session):
        with pytest.raises(LeaseHeldError):
            client.attach(session)
        with pytest.raises(LeaseHeldError):
            client.attach(session, shared=True)
    with pytest.raises(InvalidRequestError, match="on_pause"):
        client.attach(session, on_pause="maybe")


@BOTH
def test_a_report_that_cannot_be_sent_is_refused(client: Client, shared: bool) -> None:
    session = create(client, 2)
    with attach(client, session, shared) as worker:
        file, *_ = worker
        with pytest.raises(InvalidRequestError, match="cannot be sent"):
            worker.report(file, object())
        worker.report(file)


def test_a_shared_worker_reports_only_what_it_has_claimed(client: Client) -> None:
    session = create(client, 2)
    with client.attach(session, shared=True) as worker:
        with pytest.raises(NotClaimedError):
            worker.report("f1")
        worker.report("f1", wait=False)
        with pytest.raises(NotClaimedError):
            worker.flush()


def test_a_failed_report_that_nobody_waits_for_is_raised_at_the_end(client: Client) -> None:
    session = create(client, 2)
    with pytest.raises(NotClaimedError):
        with client.attach(session, shared=True) as worker:
            worker.report("f1", wait=False)
    assert workers(client, session) == []


def test_a_report_that_is_too_large_fails_alone(directory: Path) -> None:
    daemon = RealDaemon(directory, "limits: { body: 64KiB }\n")
    daemon.start()
    try:
        with Client(daemon.socket_path) as client:
            session = create(client, 3)
            with client.attach(session) as worker:
                with pytest.raises(PayloadTooLargeError):
                    worker.report("f0", "x" * 100_000)
                worker.report("f1")
            assert client.get_session(session)["processed_files"] == ["f1"]
    finally:
        daemon.kill()


@BOTH
def test_a_pause_holds_it_and_others_may_change_the_files_meanwhile(client: Client, shared: bool) -> None:
    session = create(client, 20)
    done: List[str] = []

    def work() -> None:
        with attach(client, session, shared) as worker:
            for file in worker:
                done.append(file)
                if len(done) == 5:
                    client.pause_session(session, reason="lunch")
                    eventually(lambda: worker.status == "paused")
                    assert worker.status_reason == "lunch"
                worker.report(file)

    thread = threading.Thread(target=work)
    thread.start()
    eventually(lambda: processed(client, session) == 5)
    free = client.get_session(session)
    time.sleep(0.2)
    assert len(done) == 5
    if not shared:
        # While a worker has the session to itself nobody else reports; another program edits the file.
        edited = {**free, "pending_files": [*free["pending_files"][1:], "new"]}
        path = next(Path(str(client.get_info()["store"]["location"])).glob(f"{session}*.json"))
        staged = path.with_suffix(".tmp")
        staged.write_text(json.dumps(edited))
        staged.rename(path)
        eventually(lambda: bool("new" in client.get_session(session)["pending_files"]))
    client.resume_session(session)
    thread.join()
    assert client.get_summary(session)["pending_count"] == 0
    assert len(done) == 20
    assert ("new" in done) == (not shared)


@BOTH
def test_it_may_end_at_a_pause(client: Client, shared: bool) -> None:
    session = create(client, 20)
    with attach(client, session, shared, on_pause="end") as worker:
        done = 0
        for file in worker:
            worker.report(file)
            done += 1
            if done == 5:
                client.pause_session(session)
                eventually(lambda: worker.status == "paused")
        assert (done, worker.stopped) == (5, "paused")
    assert workers(client, session) == []


@BOTH
def test_it_ends_when_the_session_is_completed_deleted_or_taken_away(client: Client, shared: bool) -> None:
    session = create(client, 20)
    with attach(client, session, shared) as worker:
        files = iter(worker)
        worker.report(next(files))
        client.complete_session(session)
        eventually(lambda: worker.status == "completed")
        assert list(files) == []
        assert worker.stopped == "completed"
    session = create(client, 20)
    with attach(client, session, shared) as worker:
        files = iter(worker)
        worker.report(next(files))
        client.delete_session(session, force=True)
        try:
            for file in files:
                worker.report(file)
            assert worker.stopped == "deleted"
        except SessionDeletedError:
            pass  # The report was on its way.
        assert list(worker) == []
        assert worker.stopped == "deleted"
    session = create(client, 20)
    with attach(client, session, shared) as worker:
        files = iter(worker)
        worker.report(next(files))
        client._change("DELETE", session_path(session, f"workers/{worker.epoch}"))
        with pytest.raises(LeaseLostError):
            for file in files:
                worker.report(file)


@BOTH
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_it_survives_the_daemon(own_daemon: RealDaemon, shared: bool, how: signal.Signals) -> None:
    with Client(own_daemon.socket_path) as client:
        session = create(client, 400)
        worked: List[str] = []
        with attach(client, session, shared) as worker:
            for file in worker:
                worked.append(file)
                worker.report(file, wait=len(worked) % 7 == 0)
                if len(worked) in (50, 200):
                    own_daemon.kill(how)
                    threading.Timer(0.2, own_daemon.start).start()
        stored = client.get_session(session)
        assert sorted(stored["processed_files"]) == sorted(f"f{at}" for at in range(400))
        assert len(worked) == len(set(worked)), "nothing was worked on twice"
        assert workers(client, session) == []


WORK_SLOWLY = """
    import sys, time
    from sessiond import Client
    with Client() as client, client.attach(sys.argv[1], shared="shared" in sys.argv) as worker:
        for file in worker:
            print(file, flush=True)
            time.sleep(0.01)
            worker.report(file, {"by": sys.argv[2]})
"""


def test_two_languages_share_a_session_and_a_worker_is_killed(client: Client, daemon: RealDaemon) -> None:
    session = create(client, 300)
    script = f"""
        import {{ SessionClient }} from {str(ROOT / "dist/index.js")!r};
        const client = new SessionClient({{ socketPath: process.env.SESSIOND_SOCKET }});
        const worker = await client.attach({session!r}, {{ shared: true }});
        await worker.forEach(() => new Promise((done) => setTimeout(() => done({{ by: "script" }}), 10)));
        await worker.detach();
        client.close();
    """
    with Process(WORK_SLOWLY, daemon, session, "one", "shared") as one, Process(
        WORK_SLOWLY, daemon, session, "two", "shared"
    ) as two:
        node = subprocess.Popen(
            ["node", "--input-type=module", "-e", textwrap.dedent(script)],
            env={**os.environ, "SESSIOND_SOCKET": daemon.socket_path},
        )
        try:
            eventually(lambda: processed(client, session) > 60)
            two.kill()
            begun = set((two.communicate()[0]).split())
            assert one.wait(60) == 0, one.communicate()[1]
            assert node.wait(60) == 0
            again = begun & set(one.communicate()[0].split())
        finally:
            node.kill()
            node.wait()
    stored = client.get_session(session)
    assert sorted(stored["processed_files"]) == sorted(f"f{at}" for at in range(300))
    by = {result["by"] for result in stored["partial_results"].values()}
    assert by == {"one", "two", "script"}
    assert len(again) <= 1, "only the file in flight"


def test_an_interrupt_leaves_the_session_to_others(client: Client, daemon: RealDaemon) -> None:
    session = create(client, 1000)
    with Process(WORK_SLOWLY, daemon, session, "one") as process:
        eventually(lambda: processed(client, session) > 3)
        process.send_signal(signal.SIGINT)
        assert "KeyboardInterrupt" in process.communicate()[1]
        assert workers(client, session) == []
        assert client.get_session(session)["status"] == "running"


def test_a_forked_process_does_not_keep_the_lease(client: Client, daemon: RealDaemon) -> None:
    session = create(client, 5)
    source = """
        import os, sys, time
        from sessiond import Client
        with Client() as client:
            worker = client.attach(sys.argv[1])
            if os.fork() == 0:
                try:
                    worker.report("f0")
                except RuntimeError as error:
                    print(error, flush=True)
                worker.detach()
                time.sleep(600)
            time.sleep(600)
    """
    with Process(source, daemon, session) as process:
        assert process.stdout is not None
        assert "belongs to the process that attached it" in process.stdout.readline()
        assert [one["connected"] for one in workers(client, session)] == [True]
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.kill()
        # The child that is left does not hold the connection open.
        eventually(lambda: workers(client, session) == [])
        os.kill(int(children[0]), signal.SIGKILL)
