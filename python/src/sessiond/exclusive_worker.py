"""The worker that has a session for itself."""

from __future__ import annotations

from typing import Any, Iterable, List, Mapping, Optional

from .errors import DaemonUnreachableError
from .next_file import Reported, WholeFiles
from .outbox import Message
from .worker import Step, Worker, WorkerOptions

_RETRY_SECONDS = 0.2


class ExclusiveWorker(Worker):
    """A worker that has a session for itself."""

    def __init__(self, options: WorkerOptions) -> None:
        super().__init__(options)
        self._files = WholeFiles()
        self._session: Mapping[str, Any] = {}
        self._is_stale = False
        """Whether others may have changed the files since the session was read."""
        self._is_reading = False

    @property
    def session(self) -> Mapping[str, Any]:
        """The whole session, as it was when the worker attached, came back or read it after a pause."""
        return self._session

    @property
    def has_fresh(self) -> bool:
        return self._files.has_fresh

    def again(self, files: Iterable[str]) -> None:
        with self._changed:
            self._files.again(files)

    def _attached(self, message: Mapping[str, Any]) -> None:
        self._replace(message["session"])
        self._status = self._session["status"]
        self._is_stale = False

    def _told(self, message: Mapping[str, Any]) -> None:
        was = self._status
        super()._told(message)
        if was != "running" and self._status == "running":
            self._is_stale = True

    def _answered(self, message: Message, added: List[str]) -> None:
        if message.error is None:
            self._files.reported(Reported(message.files, added, message.revision or 0))

    def _fresh(self) -> Optional[str]:
        return None if self._is_stale else self._files.next()

    def _more(self) -> Step:
        if self._is_stale:
            return Step.LOOK
        if self._lease.outbox.is_empty:
            return Step.END
        # What is reported may add files.
        self._changed.wait()
        return Step.AGAIN

    def _look(self) -> None:
        with self._changed:
            if self._is_reading:
                self._changed.wait()
                return
            self._is_reading, self._is_stale = True, False
            self._files.reading()
            epoch = self._lease.epoch
        session: Optional[Mapping[str, Any]] = None
        try:
            session = self._read("")
        except DaemonUnreachableError:
            # The connection of the worker is lost as well, and the session comes with the next one.
            pass
        finally:
            with self._changed:
                self._is_reading = False
                if session is None:
                    self._is_stale = True
                    self._changed.wait(_RETRY_SECONDS)
                elif self._lease.epoch == epoch:
                    # Otherwise a new connection has brought a newer one.
                    self._replace(session)
                self._changed.notify_all()

    def _replace(self, session: Mapping[str, Any]) -> None:
        self._session = session
        self._files.replace(session["processed_files"], session["pending_files"], session.get("revision") or 0)
