"""The worker that shares a session with others, and works on what it has claimed."""

from __future__ import annotations

from typing import Any, Iterable, List, Mapping, Optional

from .errors import DaemonUnreachableError, NotClaimedError, SessiondError, error_of
from .exact_json import stringify_json
from .next_file import ClaimedFiles
from .outbox import Message
from .worker import Step, Worker, WorkerOptions

_LOOK_SECONDS = 0.5


class SharedWorker(Worker):
    """
    A worker that shares a session with others, in any language. It claims the files that it works on, a little
    ahead where they are quickly done, and gives back what it does not come to.
    """

    is_shared = True

    def __init__(self, options: WorkerOptions) -> None:
        super().__init__(options)
        self._files = ClaimedFiles()
        self._summary: Mapping[str, Any] = {}
        self._waiting = 0
        """Threads that wait for a file."""
        self._refusal: Optional[SessiondError] = None
        """Why the last claim was refused."""

    @property
    def summary(self) -> Mapping[str, Any]:
        """The summary of the session, as it was when the worker attached or came back."""
        return self._summary

    @property
    def has_fresh(self) -> bool:
        return self._files.has_fresh

    def again(self, files: Iterable[str]) -> None:
        with self._changed:
            self._files.again(files)

    def _prepare(self) -> None:
        self._files.is_through = False

    def _attached(self, message: Mapping[str, Any]) -> None:
        self._summary, claimed = message["summary"], message["claimed"]
        self._status = self._summary["status"]
        held = frozenset(claimed)
        # What was sent and is not claimed any more is durable. Others may have claimed it again meanwhile.
        self._lease.outbox.durable(
            lambda sent: bool(sent.files) and held.isdisjoint(sent.files), self._summary.get("revision")
        )
        # What is being given back is still claimed if the daemon does not know of it yet.
        leaving = self._lease.outbox.files("release")
        self._files.attached(file for file in claimed if file not in leaving)

    def _told(self, message: Mapping[str, Any]) -> None:
        super()._told(message)
        if message.get("type") == "claimed":
            self._files.claimed(message)
        elif message.get("type") == "error":
            self._files.refused()
            self._refusal = error_of(str(message.get("code")), str(message.get("detail")))

    def _answered(self, message: Message, added: List[str]) -> None:
        self._files.finished()
        if message.error is None:
            self._files.reported(message.files)

    def _fresh(self) -> Optional[str]:
        file = self._files.next()
        if file is not None:
            self._claim(0)
        return file

    def _more(self) -> Step:
        if self._refusal is not None:
            refusal, self._refusal = self._refusal, None
            raise refusal
        if self._files.is_through:
            return Step.END
        if self._lease.is_connected and self._claim(self._waiting + 1):
            return Step.AGAIN
        self._waiting += 1
        is_told = self._changed.wait(_LOOK_SECONDS)
        self._waiting -= 1
        return Step.AGAIN if is_told else Step.LOOK

    def _claim(self, waiting: int) -> bool:
        count = self._files.to_claim(waiting)
        if count > 0:
            self._lease.claim(count)
        return count > 0

    def _look(self) -> None:
        """
        While a claim waits, the daemon says nothing. If all that is pending is what this worker itself has
        been given and does not report, no file will come.
        """
        with self._changed:
            before = self._files.taken
            if not before or not self._lease.outbox.is_empty:
                return
        try:
            pending = self._read("summary")["pending_count"]
        except DaemonUnreachableError:
            return
        with self._changed:
            if self._lease.outbox.is_empty and self._files.taken == before and pending <= len(before):
                self._files.is_through = True
                self._changed.notify_all()

    def _idle(self) -> None:
        back = self._files.too_many() if self._lease.is_connected else []
        if back:
            self._release(back)

    def _release(self, files: List[str]) -> None:
        body = stringify_json({"files": files})
        self._lease.outbox.add(Message("release", body, files, self._released))

    def _released(self, message: Message) -> None:
        if isinstance(message.error, NotClaimedError):
            # One of them is another's by now, which says nothing of the others: none was given back.
            if len(message.files) > 1:
                for file in message.files:
                    self._release([file])
        elif message.error is not None:
            # They are still claimed, so nobody else can work on them.
            self._files.kept(message.files)
