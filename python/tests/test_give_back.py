"""What becomes of files that a shared worker gives back, without a daemon: none is lost, none is done twice."""

from __future__ import annotations

from typing import Iterable, List

import pytest

from sessiond.daemon import Daemon
from sessiond.errors import error_of
from sessiond.outbox import Message, Outbox
from sessiond.shared_worker import SharedWorker
from sessiond.worker import WorkerOptions


class Worker(SharedWorker):
    """A shared worker that is told what a daemon would tell it."""

    def __init__(self) -> None:
        super().__init__(
            WorkerOptions(Daemon("/nowhere"), "/v1/sessions/s", lambda _: {}, None, "hold", None, 60.0)
        )
        self.told_claimed(["a", "b", "c"])

    def told_claimed(self, files: Iterable[str]) -> None:
        self._attached({"summary": {"status": "running", "revision": 1}, "claimed": list(files)})

    @property
    def outbox(self) -> Outbox:
        return self._lease.outbox

    def give_all_back(self) -> Message:
        # It has finished nothing, so whatever has not begun is too much.
        self._release(self._files.too_many())
        [message] = self.sent()
        return message

    def sent(self) -> List[Message]:
        """The messages that wait, which count as sent."""
        messages = []
        while (message := self.outbox.next()) is not None:
            message.seq = ord(message.files[0])
            messages.append(message)
        return messages

    def rest(self) -> List[str]:
        """All files that are still handed out."""
        files = []
        while (file := self._files.next()) is not None:
            files.append(file)
        return files


def test_what_was_given_back_is_gone() -> None:
    worker = Worker()
    message = worker.give_all_back()
    worker.outbox.acked(message.seq, 1)
    assert (worker.rest(), worker.outbox.is_empty) == ([], True)


@pytest.mark.parametrize("code", ["storage_full", "internal"])
def test_what_could_not_be_given_back_is_worked_on(code: str) -> None:
    worker = Worker()
    worker.outbox.refused(worker.give_all_back().seq, error_of(code, "no"))
    assert worker.rest() == ["a", "b", "c"]


def test_one_file_that_is_anothers_keeps_none_from_being_given_back() -> None:
    worker = Worker()
    refusal = error_of("not_claimed", "another worker has claimed it")
    worker.outbox.refused(worker.give_all_back().seq, refusal)
    again = worker.sent()
    assert [message.files for message in again] == [["a"], ["b"], ["c"]]
    worker.outbox.refused(again[1].seq, refusal)
    worker.outbox.acked(again[2].seq, 1)
    assert (worker.rest(), worker.outbox.is_empty) == ([], True)


def test_what_is_being_given_back_over_a_lost_connection_is_not_handed_out() -> None:
    worker = Worker()
    worker.give_all_back()
    worker.outbox.lost()
    worker.told_claimed(["a", "b", "c", "d"])
    assert worker.rest() == ["d"]
    assert [message.files for message in worker.sent()] == [["a", "b", "c"]]
