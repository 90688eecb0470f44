"""The worker of a session, as a program sees it: files to work on, and reports of what became of them."""

from __future__ import annotations

import os
from enum import Enum
from types import TracebackType
from typing import (
    Any,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Type,
    TypeVar,
    Union,
)
from urllib.parse import urlencode

from .calls import listed
from .channel import own_process
from .daemon import Daemon
from .errors import InvalidRequestError, SessionDeletedError
from .exact_json import JsonError, stringify_json
from .for_each import Gate, Summary, for_each
from .lease import Lease, LeaseOptions
from .outbox import Message

_DETACH_SECONDS = 5.0

_LONGEST_WAIT = 3600.0
"""Whoever waits for longer looks again in between."""

File = Union[str, "os.PathLike[str]"]

Read = Callable[[str], Mapping[str, Any]]
"""Reads the session, or with `summary` its summary, over HTTP."""


_Self = TypeVar("_Self", bound="Worker")


class WorkerOptions(NamedTuple):
    """How a worker attaches; `Client.attach` describes it."""

    daemon: Daemon
    path: str
    """Of the session, encoded."""
    read: Read
    name: Optional[str]
    on_pause: str
    timeout: Optional[float]
    reconnect: float


class Step(Enum):
    """What follows where there is no file to hand out."""

    AGAIN = "try again"
    LOOK = "look for what the daemon does not tell, and try again"
    END = "there will be no file"


class Worker:
    """
    A worker of a session; `Client.attach` makes one. Use it in a `with` block, at whose end it detaches.
    Threads may share it. A process that is forked from this one cannot use it.

    The worker comes back after a lost connection, also when the daemon was killed and started again, and
    sends again what was not acknowledged; meanwhile work can go on.

    >>> with client.attach("nightly") as worker:
    ...     for file in worker:
    ...         worker.report(file, analyze(file))
    """

    is_shared = False

    def __init__(self, options: WorkerOptions) -> None:
        """For internal use; see `Client.attach`."""
        if options.on_pause not in ("hold", "end"):
            raise InvalidRequestError(f'on_pause must be "hold" or "end", not {options.on_pause!r}')
        shared = "true" if self.is_shared else None
        given = {"worker": options.name, "process": own_process(), "shared": shared}
        query = urlencode({key: text for key, text in given.items() if text is not None})
        self._read = options.read
        self._on_pause = options.on_pause
        self._status = "running"
        self._reason: Optional[str] = None
        self._stopped: Optional[str] = None
        self._failure: Optional[BaseException] = None
        """The first failure of a report that nobody waits for."""
        self._lease = Lease(
            LeaseOptions(
                daemon=options.daemon,
                target=f"{options.path}/attach?{query}",
                timeout=options.timeout,
                reconnect=options.reconnect,
            ),
            on_attached=self._attached,
            on_message=self._told,
            on_idle=self._idle if self.is_shared else None,
        )
        self._changed = self._lease.changed

    def attach(self) -> None:
        """For internal use: connects."""
        self._lease.attach()

    @property
    def status(self) -> str:
        """The status of the session: `running`, `paused`, `completed`, `failed` or `deleted`."""
        return self._status

    @property
    def status_reason(self) -> Optional[str]:
        """Why the session has this status, if somebody said so."""
        return self._reason

    @property
    def stopped(self) -> Optional[str]:
        """
        Why the files came to an end before all were handed out: `paused`, `completed`, `failed` or `deleted`;
        None if there was no other file.
        """
        return self._stopped

    @property
    def epoch(self) -> int:
        """The number of the lease, which is public. It changes with each connection."""
        return self._lease.epoch

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection at the moment."""
        return self._lease.is_connected

    def report(
        self, file: File, result: object = None, *, added: Iterable[File] = (), wait: bool = True
    ) -> None:
        """
        Reports that the work on a file is done.

        :param result: what JSON can hold, dataclasses and pydantic models included; None stores no result
        :param added: newly found files, which become pending unless the session has them
        :param wait: whether to return only when the report is durable. Otherwise the next call that waits, or
            the end of the `with` block, raises what went wrong
        :raises NotClaimedError: shared: the file is not claimed by this worker
        :raises LeaseLostError: the lease has ended
        """
        self.report_progress([file], {} if result is None else {file: result}, added=added, wait=wait)

    def report_progress(
        self,
        processed: Iterable[File] = (),
        results: Mapping[Any, object] = {},
        *,
        added: Iterable[File] = (),
        wait: bool = True,
    ) -> None:
        """As `report`, for several files at a time, and results under any keys."""
        done = _nothing if wait else self._failed
        message = self._message(_texts_of(processed), results, _texts_of(added), done)
        self._lease.say(message)
        if not wait:
            return
        with self._changed:
            while not message.is_answered:
                self._changed.wait()
        if message.error is not None:
            raise message.error

    def flush(self) -> None:
        """
        Returns when all reports are durable.

        :raises SessiondError: what the first report that was not waited for has failed with
        """
        self._lease.check_process()
        with self._changed:
            while not self._lease.outbox.is_empty:
                self._changed.wait()
            failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def for_each(
        self,
        work: Callable[[str], object],
        *,
        jobs: int = 1,
        on_error: Optional[Callable[[Exception, str], object]] = None,
        max_defer: float = 86_400.0,
    ) -> Summary:
        """
        Calls `work` for each pending file, and reports the file with what it returns as its result; None
        stores no result. Returns when all reports are durable.

        On Ctrl-C work under way is finished and reported, unless `jobs` is 1; a second Ctrl-C does not wait.

        :param work: may raise `NotNow` if a service that it needs refuses for now
        :param jobs: how many threads work at a time; with 1 the calling thread works
        :param on_error: called when the work on a file raises. What it returns is stored as the result of
            the file; None leaves the file pending, for a later loop; raising ends the loop. Without it the
            first error ends the loop
        :param max_defer: the loop ends when the work has raised `NotNow` for so many seconds without a
            success
        """
        return for_each(self, work, jobs=jobs, on_error=on_error, max_defer=max_defer)

    def __iter__(self) -> Iterator[str]:
        """
        The pending files, each once: a file that was handed out does not come again in this way, even if it
        was not reported. It stays pending, for workers that attach later. While the session is paused the iteration
        waits, or ends if `on_pause` is `end`; it ends when the session is completed, failed or deleted.
        `stopped` says why it ended.
        """
        self.begin()
        while (file := self.take()) is not None:
            yield file

    def detach(self) -> None:
        """Ends the lease. The session keeps its status. What was reported and not answered is waited for."""
        self._lease.detach(_DETACH_SECONDS)

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        try:
            if kind is None and not self._lease.is_inherited:
                self.flush()
        finally:
            self.detach()

    def begin(self) -> None:
        """For internal use: a loop over the files begins."""
        self._lease.check_process()
        with self._changed:
            self._stopped = None
            self._prepare()

    def again(self, files: Iterable[str]) -> None:
        """For internal use: nobody works on these files any more; a later loop may have them."""
        raise NotImplementedError

    def take(self, gate: Optional[Gate] = None) -> Optional[str]:
        """
        For internal use: the next file to work on, waited for if need be; None if there will be none.

        :param gate: says when work may begin, and has files that are to be tried again
        """
        self._lease.check_process()
        while True:
            with self._changed:
                step = self._step(gate)
            self._lease.push()
            if isinstance(step, str):
                return step
            if step is Step.END:
                return None
            if step is Step.LOOK and not (gate is not None and gate.calls):
                self._look()

    def message(self, file: str, result: object, done: Callable[[Message], None]) -> Message:
        """For internal use: the report of a file; `done` is called with `changed` held."""
        return self._message([file], {} if result is None else {file: result}, [], done)

    @property
    def has_fresh(self) -> bool:
        """For internal use: whether there may be files that were not handed out."""
        raise NotImplementedError

    @property
    def lease(self) -> Lease:
        """For internal use."""
        return self._lease

    def _failed(self, message: Message) -> None:
        """A report that nobody waits for is durable or has failed."""
        if self._failure is None:
            self._failure = message.error

    def _step(self, gate: Optional[Gate]) -> Union[str, Step]:
        if (gate is not None and gate.is_ending) or self._has_ended():
            return Step.END
        if self._status == "paused":
            self._changed.wait()
            if gate is not None:
                gate.rested()
            return Step.AGAIN
        delay = 0.0 if gate is None else gate.starts_in()
        if delay > 0:
            self._changed.wait(min(delay, _LONGEST_WAIT))
            return Step.AGAIN
        file = self._fresh() or (None if gate is None else gate.again())
        if file is None:
            return self._more()
        if gate is not None:
            gate.began(file)
        return file

    def _has_ended(self) -> bool:
        """Whether there will be no more files. Notes why."""
        error = self._lease.error if self._lease.is_over else None
        if isinstance(error, SessionDeletedError):
            self._stopped = "deleted"
            return True
        if error is not None:
            raise error
        if self._lease.is_over or self._lease.is_detaching:
            return True
        if self._status == "running" or (self._status == "paused" and self._on_pause == "hold"):
            return False
        self._stopped = self._status
        return True

    def _message(
        self,
        processed: List[str],
        results: Mapping[str, object],
        added: List[str],
        done: Callable[[Message], None],
    ) -> Message:
        given: Dict[str, object] = {"processed": processed}
        if results:
            given["results"] = results
        if added:
            given["added"] = added
        try:
            body = stringify_json(given)
        except JsonError as error:
            raise InvalidRequestError(f"this report cannot be sent: {error}") from error

        def answered(message: Message) -> None:
            self._answered(message, added)
            done(message)

        return Message("progress", body, processed, answered)

    def _told(self, message: Mapping[str, Any]) -> None:
        if message.get("type") == "status":
            self._status, self._reason = str(message.get("status")), message.get("reason")

    # What differs for a shared worker. All but `_look` are called with `changed` held.

    def _prepare(self) -> None:
        """A loop over the files begins."""

    def _attached(self, message: Mapping[str, Any]) -> None:
        """The worker has a connection."""
        raise NotImplementedError

    def _answered(self, message: Message, added: List[str]) -> None:
        """A report is durable or refused."""
        raise NotImplementedError

    def _fresh(self) -> Optional[str]:
        """A file that was not handed out; None if none is here."""
        raise NotImplementedError

    def _more(self) -> Step:
        """No file is here: waits for one, unless there will be none."""
        raise NotImplementedError

    def _look(self) -> None:
        """Looks for what the daemon does not tell."""
        raise NotImplementedError

    def _idle(self) -> None:
        """Called about once a second."""


def _texts_of(files: Iterable[File]) -> List[str]:
    return [os.fspath(file) for file in listed(files)]


def _nothing(_message: Message) -> None:
    pass
