"""The loop `for_each` with the real daemon: threads, errors, services that refuse, pauses and interrupts."""

from __future__ import annotations

import re
import signal
import threading
import time
from typing import Dict, List, Optional, Set

import pytest
from conftest import ROOT, RealDaemon, eventually
from test_worker import BOTH, Process, attach, create, processed, workers

from sessiond import Client, NotNow, Summary
from sessiond.errors import InvalidRequestError


@BOTH
@pytest.mark.parametrize("jobs", [1, 4])
def test_it_works_on_each_file_once(client: Client, shared: bool, jobs: int) -> None:
    session = create(client, 200)
    threads: Set[int] = set()
    worked: List[str] = []

    def work(file: str) -> Dict[str, int]:
        threads.add(threading.get_ident())
        worked.append(file)
        time.sleep(0.001)
        return {"length": len(file)}

    with attach(client, session, shared) as worker:
        assert worker.for_each(work, jobs=jobs) == Summary(200, 0, None)
    assert sorted(worked) == sorted(f"f{at}" for at in range(200))
    assert len(threads) == jobs
    assert (threading.get_ident() in threads) == (jobs == 1)
    assert client.get_session(session)["partial_results"]["f7"] == {"length": 2}


@BOTH
@pytest.mark.parametrize("jobs", [1, 3])
def test_the_first_error_ends_it(client: Client, shared: bool, jobs: int) -> None:
    session = create(client, 50)

    def work(file: str) -> None:
        if file == "f5":
            raise LookupError("no such thing")

    with attach(client, session, shared) as worker:
        with pytest.raises(LookupError):
            worker.for_each(work, jobs=jobs)
        assert "f5" in client.get_session(session)["pending_files"]
        worker.for_each(len, jobs=jobs)
    assert client.get_session(session)["pending_files"] == []


@BOTH
@pytest.mark.parametrize("jobs", [1, 3])
def test_errors_become_results_or_leave_files_pending(client: Client, shared: bool, jobs: int) -> None:
    session = create(client, 12)

    def work(file: str) -> None:
        if file in ("f3", "f4"):
            raise LookupError(file)

    def on_error(error: Exception, file: str) -> Optional[str]:
        return str(error) if file == "f3" else None

    with attach(client, session, shared) as worker:
        assert worker.for_each(work, jobs=jobs, on_error=on_error) == Summary(11, 1, None)
        stored = client.get_session(session)
        assert stored["pending_files"] == ["f4"]
        assert stored["partial_results"] == {"f3": "f3"}
        assert worker.for_each(len, jobs=jobs) == Summary(1, 0, None)


@BOTH
@pytest.mark.parametrize("jobs", [1, 3])
def test_a_service_that_refuses_is_left_alone(client: Client, shared: bool, jobs: int) -> None:
    session = create(client, 12)
    calls: List[float] = []
    refused: Set[str] = set()

    def work(file: str) -> int:
        calls.append(time.monotonic())
        if file in ("f4", "f5") and file not in refused:
            refused.add(file)
            raise NotNow("busy", retry_after=0.3)
        return 1

    with attach(client, session, shared) as worker:
        assert worker.for_each(work, jobs=jobs) == Summary(12, 0, None)
    assert max(after - before for before, after in zip(calls, calls[1:])) >= 0.3
    if jobs == 1 and not shared:
        assert client.get_session(session)["processed_files"][-2:] == ["f4", "f5"]


@BOTH
def test_it_gives_up_after_a_long_time_without_success(client: Client, shared: bool) -> None:
    session = create(client, 5)

    def work(_file: str) -> None:
        raise NotNow(retry_after=0.05)

    with attach(client, session, shared) as worker:
        assert worker.for_each(work, max_defer=0.2) == Summary(0, 0, "not_now")
    assert client.get_summary(session)["pending_count"] == 5


@BOTH
def test_a_pause_holds_all_threads(client: Client, shared: bool) -> None:
    session = create(client, 100)
    begun: List[str] = []
    is_paused = threading.Event()

    def work(file: str) -> None:
        begun.append(file)
        if len(begun) >= 20:
            is_paused.wait()

    loop: List[Summary] = []
    with attach(client, session, shared) as worker:
        thread = threading.Thread(target=lambda: loop.append(worker.for_each(work, jobs=4)))
        thread.start()
        eventually(lambda: len(begun) >= 20)
        client.pause_session(session)
        eventually(lambda: worker.status == "paused")
        is_paused.set()
        eventually(lambda: processed(client, session) == len(begun))
        time.sleep(0.1)
        assert 20 <= len(begun) <= 23
        client.resume_session(session)
        thread.join()
    assert loop == [Summary(100, 0, None)]
    assert len(begun) == 100


def test_what_makes_no_sense_is_refused(client: Client) -> None:
    with client.attach(create(client)) as worker:
        with pytest.raises(InvalidRequestError, match="jobs"):
            worker.for_each(len, jobs=0)
        with pytest.raises(InvalidRequestError, match="max_defer"):
            worker.for_each(len, max_defer=-1)


def test_an_interrupt_finishes_what_is_under_way(client: Client, daemon: RealDaemon) -> None:
    session = create(client, 1000)
    source = """
        import os, sys, time
        from sessiond import Client
        def work(file):
            # In one write, as threads would mix what print writes in parts.
            os.write(1, (file + "\\n").encode())
            time.sleep(0.05)
        with Client() as client, client.attach(sys.argv[1], shared=True) as worker:
            worker.for_each(work, jobs=3)
    """
    with Process(source, daemon, session) as process:
        eventually(lambda: processed(client, session) > 10)
        process.send_signal(signal.SIGINT)
        begun, said = process.communicate()
    assert "KeyboardInterrupt" in said
    assert workers(client, session) == []
    assert sorted(client.get_session(session)["processed_files"]) == sorted(begun.split())


def test_the_worker_that_the_readme_shows(client: Client, daemon: RealDaemon) -> None:
    files = [f"f{at}" for at in range(50)]
    client.create_session({"target_path": "."}, session_id="lines", pending_files=files)
    shown = re.findall(r"```python\n(.*?)```", (ROOT / "python/README.md").read_text(), re.DOTALL)[-1]
    with Process(f"analyze = len\n{shown}", daemon) as process:
        said, failed = process.communicate()
    assert (said, failed) == ("Summary(processed=50, failed=0, stopped=None)\n", "")
    assert client.get_session("lines")["partial_results"]["f10"] == 3
