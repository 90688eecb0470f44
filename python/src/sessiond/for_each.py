"""The loop over the files of a worker: threads, the pace that a service allows, and why the loop ends."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable, Deque, Dict, List, Optional

from .errors import InvalidRequestError
from .outbox import Message
from .pacing import NotNow, Pacing, RefusedFiles

if TYPE_CHECKING:
    from .worker import Worker

Work = Callable[[str], object]
OnError = Callable[[Exception, str], object]


@dataclass(frozen=True)
class Summary:
    """What became of a loop."""

    processed: int
    """Files whose report is durable."""
    failed: int
    """Files whose work failed and that were left pending."""
    stopped: Optional[str]
    """
    Why the loop ended before all files were done: `paused`, `completed`, `failed` or `deleted`, as the
    session is now, or `not_now`, the work was refused for too long; None if all were done or failed.
    """


class Gate:
    """
    When the next file may begin, and which are to be tried again. Its methods are called with the lock of the
    lease held.
    """

    def __init__(self, jobs: int, max_defer: float) -> None:
        self.is_ending = False
        self.pace = Pacing(jobs, max_defer)
        self.calls: Dict[str, int] = {}
        """Files that are worked on."""
        self.deferred: Deque[str] = deque()

    def starts_in(self) -> float:
        """Seconds until the next file may begin; infinite while as many are worked on as may be."""
        return self.pace.starts_in(time.monotonic())

    def again(self) -> Optional[str]:
        """A file that was refused earlier; None if there is none."""
        return self.deferred.popleft() if self.deferred else None

    def began(self, file: str) -> None:
        """The work on a file begins."""
        self.calls[file] = self.pace.begin()

    def rested(self) -> None:
        """The session was paused."""
        self.pace.rested()


def for_each(
    worker: "Worker", work: Work, *, jobs: int, on_error: Optional[OnError], max_defer: float
) -> Summary:
    """See `Worker.for_each`."""
    if not isinstance(jobs, int) or jobs < 1:
        raise InvalidRequestError(f"jobs must be a whole number, 1 or more, not {jobs!r}")
    if not max_defer >= 0:
        raise InvalidRequestError(f"max_defer must be a number of seconds, 0 or more, not {max_defer!r}")
    return _Loop(worker, work, Gate(jobs, max_defer), on_error).run(jobs)


class _Loop:
    def __init__(self, worker: "Worker", work: Work, gate: Gate, on_error: Optional[OnError]) -> None:
        self._worker = worker
        self._work = work
        self._gate = gate
        self._on_error = on_error
        self._changed = worker.lease.changed
        self._refused = RefusedFiles()
        self._running = 0
        """Threads that have not ended."""
        self._processed = 0
        self._failed: List[str] = []
        """Files that are left pending although work on them began."""
        self._failure: Optional[BaseException] = None

    def run(self, jobs: int) -> Summary:
        self._worker.begin()
        if jobs == 1:
            self._run()
        else:
            self._run_threads(jobs)
        self._worker.again([*self._failed, *self._gate.deferred])
        self._worker.flush()
        if self._failure is not None:
            raise self._failure
        stopped = "not_now" if self._gate.pace.is_given_up else self._worker.stopped
        return Summary(self._processed, len(self._failed), stopped)

    def _run_threads(self, jobs: int) -> None:
        self._running = jobs
        for _ in range(jobs):
            threading.Thread(target=self._run_thread, daemon=True).start()
        try:
            self._wait_for_threads()
        except (KeyboardInterrupt, SystemExit):
            # SystemExit comes from a handler of a signal. What is under way is finished and reported; a
            # second interrupt comes through.
            self._end()
            self._wait_for_threads()
            raise

    def _wait_for_threads(self) -> None:
        # After an interrupt, Thread.join takes a thread that still runs for one that has ended.
        with self._changed:
            while self._running > 0:
                self._changed.wait()

    def _run_thread(self) -> None:
        try:
            self._run()
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def _run(self) -> None:
        try:
            while (file := self._worker.take(self._gate)) is not None:
                self._attempt(file)
        except Exception as error:
            self._end(error)
        except BaseException as error:
            self._end(error)
            if threading.current_thread() is threading.main_thread():
                raise

    def _end(self, failure: Optional[BaseException] = None) -> None:
        with self._changed:
            self._gate.is_ending = True
            if self._failure is None:
                self._failure = failure
            self._changed.notify_all()

    def _attempt(self, file: str) -> None:
        report: Optional[Message]
        try:
            report = self._worker.message(file, self._work(file), self._reported)
            self._succeeded(file)
        except NotNow as refusal:
            report = self._handled(refusal, file) if self._is_at_fault(file, refusal) else None
        except Exception as error:
            self._finished(file)
            report = self._handled(error, file)
        if report is not None:
            self._worker.lease.say(report)

    def _handled(self, error: Exception, file: str) -> Optional[Message]:
        """What is to be reported of a file whose work has failed."""
        result = None
        try:
            if self._on_error is None:
                raise error
            result = self._on_error(error, file)
            return None if result is None else self._worker.message(file, result, self._reported)
        finally:
            if result is None:
                with self._changed:
                    self._failed.append(file)

    def _reported(self, message: Message) -> None:
        if message.error is None:
            self._processed += 1
        else:
            self._end(message.error)

    def _succeeded(self, file: str) -> None:
        with self._changed:
            self._gate.pace.succeeded(self._gate.calls.pop(file))
            self._refused.succeeded(file)
            self._changed.notify_all()

    def _finished(self, file: str) -> None:
        """The work has failed by itself."""
        with self._changed:
            self._gate.pace.failed(self._gate.calls.pop(file))
            self._changed.notify_all()

    def _is_at_fault(self, file: str, refusal: NotNow) -> bool:
        """Defers a refused file, unless the file itself is the reason."""
        gate = self._gate
        with self._changed:
            gate.pace.refused(gate.calls.pop(file), time.monotonic(), refusal.retry_after)
            is_at_fault = self._refused.refused(file, self._worker.has_fresh or bool(gate.calls))
            if not is_at_fault:
                gate.deferred.append(file)
            gate.is_ending = gate.is_ending or gate.pace.is_given_up
            self._changed.notify_all()
        return is_at_fault
