"""Workers whose program is interrupted, forks, or uses what belongs to another."""

from __future__ import annotations

import signal

import pytest
from conftest import RealDaemon, eventually
from test_worker import BOTH, Process, attach, create, processed, workers

import sessiond
from sessiond import Client
from sessiond.errors import InvalidRequestError


@BOTH
def test_an_interrupt_in_the_middle_of_a_report_loses_nothing(own_daemon: RealDaemon, shared: bool) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with Client(own_daemon.socket_path) as client:
        session = create(client, 20)
        with attach(client, session, shared) as worker:
            files = iter(worker)
            taken = [next(files), next(files)]
            own_daemon.send(signal.SIGSTOP)
            before = signal.signal(signal.SIGALRM, interrupt)
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.3)
                with pytest.raises(KeyboardInterrupt):
                    # More than a socket holds, so that half of it is sent.
                    worker.report(taken[0], "x" * 3_000_000)
            finally:
                signal.signal(signal.SIGALRM, before)
                own_daemon.send(signal.SIGCONT)
            worker.report(taken[1], 1)
            worker.flush()
        stored = client.get_session(session)
        assert stored["processed_files"] == taken
        assert len(stored["partial_results"][taken[0]]) == 3_000_000


@BOTH
def test_a_loop_that_is_left_keeps_its_file_pending(client: Client, shared: bool) -> None:
    session = create(client, 5)
    with pytest.raises(ZeroDivisionError), attach(client, session, shared) as worker:
        for file in worker:
            if file == "f2":
                raise ZeroDivisionError
            worker.report(file, wait=False)
    with attach(client, session, shared) as worker:
        for file in worker:
            assert file == "f2"
            break
    assert client.get_session(session)["pending_files"] == ["f2", "f3", "f4"]
    assert workers(client, session) == []
    assert client.get_summary(session)["status"] == "running"


def test_sys_exit_in_a_handler_finishes_what_is_under_way(client: Client, daemon: RealDaemon) -> None:
    session = create(client, 1000)
    source = """
        import os, signal, sys, time
        from sessiond import Client
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
        def work(file):
            os.write(1, (file + "\\n").encode())
            time.sleep(0.1)
        with Client() as client, client.attach(sys.argv[1]) as worker:
            worker.for_each(work, jobs=4)
    """
    with Process(source, daemon, session) as process:
        eventually(lambda: processed(client, session) > 4)
        process.send_signal(signal.SIGTERM)
        begun, _ = process.communicate()
    assert process.returncode == 3
    assert sorted(client.get_session(session)["processed_files"]) == sorted(begun.split())


def test_a_forked_process_leaves_the_block_at_once(own_daemon: RealDaemon) -> None:
    source = """
        import os, signal, sys
        from sessiond import Client
        session, daemon = sys.argv[1], int(sys.argv[2])
        with Client() as client, client.attach(session) as worker:
            os.kill(daemon, signal.SIGSTOP)
            worker.report("f0", wait=False)
            child = os.fork()
            if child != 0:
                print(os.waitpid(child, 0)[1], flush=True)
                os.kill(daemon, signal.SIGCONT)
    """
    with Client(own_daemon.socket_path) as client:
        session = create(client, 5)
        with Process(source, own_daemon, session, str(own_daemon.pid)) as process:
            said, failed = process.communicate(timeout=30)
            assert (said, failed) == ("0\n", "")
        assert client.get_session(session)["processed_files"] == ["f0"]


def test_a_program_attaches_without_a_client(client: Client, daemon: RealDaemon) -> None:
    session = create(client, 3)
    with sessiond.attach(session, socket_path=daemon.socket_path, worker="alone") as alone:
        assert [one["name"] for one in workers(client, session)] == ["alone"]
        client.pause_session(session)
        client.resume_session(session)
        assert alone.for_each(len).processed == 3
    with sessiond.attach(session, socket_path=daemon.socket_path, shared=True) as shared:
        assert shared.summary["pending_count"] == 0


def test_one_text_is_no_list_of_files(client: Client) -> None:
    session = create(client, 3)
    with client.attach(session) as worker:
        with pytest.raises(InvalidRequestError, match="not one text"):
            worker.report("f0", added="f1.more")
        with pytest.raises(InvalidRequestError, match="not one text"):
            worker.report_progress("f0")
    assert client.get_summary(session)["pending_count"] == 3
