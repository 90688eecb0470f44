"""
The lease of a worker: a thread that keeps it connected, sends again what was lost on the way, and tells the
worker what the daemon says. It knows no file and no status.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from typing import Any, Callable, List, Mapping, NamedTuple, Optional

from .channel import Channel
from .connection import backoff, closed, not_sessiond
from .daemon import Daemon, is_nobody_there
from .errors import DaemonUnreachableError, SessiondError, error_of
from .outbox import Message, Outbox

_PASSING = (
    "shutting_down",
    "storage_full",
    "storage_failed",
    "storage_unavailable",
    "session_corrupt",
    "internal",
)
"""Refusals of a worker that comes back which may pass."""

_SENT_AGAIN = ("shutting_down", "storage_failed", "storage_unavailable", "session_corrupt")
"""Refusals of a report that may pass: it is sent again on a new connection."""

_FINAL = ("lease_lost", "session_deleted", "invalid_request")
"""Reasons of `closing` after which the worker must not come back."""

_STABLE_SECONDS = 5.0
"""A connection that ends sooner without an answer does not prolong the time to reconnect."""

_LEAST_ATTEMPT_SECONDS = 5.0
_SAY_DETACH = b'{"type":"detach"}\n'


class LeaseOptions(NamedTuple):
    """How a worker connects."""

    daemon: Daemon
    target: str
    """Path and query of the request to attach, encoded."""
    timeout: Optional[float]
    """Of one attempt to connect, in seconds."""
    reconnect: float
    """How long to try to come back after a lost connection, in seconds."""


class Lease:
    """
    Threads may share it. `changed` guards all state, that of the worker too, and is notified of every change.
    """

    def __init__(
        self,
        options: LeaseOptions,
        *,
        on_attached: Callable[[Mapping[str, Any]], None],
        on_message: Callable[[Mapping[str, Any]], None],
        on_idle: Optional[Callable[[], None]] = None,
    ) -> None:
        """
        The callbacks are called with `changed` held.

        :param on_attached: called for each connection, before anything is sent again
        :param on_idle: called at least once a second, if given
        """
        self.changed = threading.Condition()
        self.outbox = Outbox()
        self.epoch = 0
        self._options = options
        self._on_attached = on_attached
        self._on_message = on_message
        self._on_idle = on_idle
        self._sending = threading.Lock()
        """Held to number messages and send them, so that `seq` grows. Taken before `changed`, never after."""
        self._channel: Optional[Channel] = None
        self._seq = 0
        self._claims: List[int] = []
        """Counts of claims that are to be sent."""
        self._token: Optional[str] = None
        self._is_detaching = False
        self._is_detach_sent = False
        self._is_over = False
        self._error: Optional[BaseException] = None
        self._lost_at: Optional[float] = None
        self._process = os.getpid()

    @property
    def is_over(self) -> bool:
        """Whether the lease has ended, by `detach` or otherwise."""
        return self._is_over

    @property
    def error(self) -> Optional[BaseException]:
        """Why the lease has ended; None after `detach`."""
        return self._error

    @property
    def is_connected(self) -> bool:
        return self._channel is not None

    @property
    def is_detaching(self) -> bool:
        return self._is_detaching

    def attach(self) -> None:
        """
        Connects, and starts the thread.

        :raises SessiondError: `lease_held`, `session_not_found` …
        """
        daemon, timeout = self._options.daemon, self._options.timeout
        daemon.ready()
        try:
            channel = self._connect(timeout)
        except DaemonUnreachableError as error:
            # A daemon on demand may have ended since it was last used.
            if not is_nobody_there(error) or daemon.revive() != "listening":
                raise
            channel = self._connect(timeout)
        threading.Thread(target=self._run, args=(channel,), name="sessiond-worker", daemon=True).start()
        _leases.add(self)

    def say(self, message: Message) -> None:
        """
        Sends a message, now or when the worker is connected again. Waits while too much is outstanding.

        :raises SessiondError: the lease has ended
        """
        self.check_process()
        with self.changed:
            while not self.outbox.has_room and not self._is_over:
                self.changed.wait()
            self.check()
            self.outbox.add(message)
        self._send()

    def claim(self, count: int) -> None:
        """Asks for files. Forgotten when the connection is lost. Call `push` without `changed` held."""
        self._claims.append(count)

    def push(self) -> None:
        """Sends what waits."""
        if self.outbox.has_waiting or self._claims:
            self._send()

    def check(self) -> None:
        """
        :raises SessiondError: the lease has ended
        """
        if self._error is not None:
            raise self._error
        if self._is_over or self._is_detaching:
            raise error_of("lease_lost", "this worker has detached")

    def check_process(self) -> None:
        """
        :raises RuntimeError: this is another process, forked from the one that has attached
        """
        if self.is_inherited:
            raise RuntimeError("a worker belongs to the process that attached it; attach in the new process")

    @property
    def is_inherited(self) -> bool:
        """Whether this is another process, forked from the one that has attached."""
        return os.getpid() != self._process

    def detach(self, seconds: float) -> None:
        """Ends the lease when all is answered. Returns when it has ended, after this time in any case."""
        if self.is_inherited:
            return
        end = time.monotonic() + seconds
        with self.changed:
            self._is_detaching = True
            self.changed.notify_all()
        self._send()
        with self.changed:
            while not self._is_over and (left := end - time.monotonic()) > 0:
                self.changed.wait(left)
            if not self._is_over:
                self._end(None)

    def forget(self) -> None:
        """In a forked process: the connection is that of the other process, and lives as long as that."""
        if self._channel is not None:
            self._channel.close()
        self._channel = None

    def _send(self) -> None:
        with self._sending:
            channel = self._channel
            if channel is None:
                return
            try:
                while lines := self._next_lines(channel):
                    channel.send(b"".join(lines))
            except OSError:
                channel.shut()
            except BaseException:
                # An interrupt may have cut a line, so that all is sent again on a new connection.
                channel.shut()
                raise

    def _next_lines(self, channel: Channel) -> List[bytes]:
        """What is to be sent on this connection."""
        with self.changed:
            return self._numbered() if channel is self._channel else []

    def _numbered(self) -> List[bytes]:
        lines: List[bytes] = []
        while (message := self.outbox.next()) is not None:
            self._seq += 1
            message.seq = self._seq
            lines.append(message.line())
        for count in self._claims:
            self._seq += 1
            lines.append(b'{"type":"claim","seq":%d,"count":%d}\n' % (self._seq, count))
        self._claims.clear()
        if self._is_detaching and not self._is_detach_sent:
            self._is_detach_sent = True
            lines.append(_SAY_DETACH)
        return lines

    def _connect(self, timeout: Optional[float]) -> Channel:
        options = self._options
        channel = Channel(options.daemon.socket_path, options.target, self._token, timeout)
        first = next(channel.messages(timeout), None)
        if first is None or first.get("type") != "attached":
            channel.close()
            path = options.daemon.socket_path
            raise closed(path) if first is None else not_sessiond(path, "its first message is not `attached`")
        with self.changed:
            self.epoch, self._token = first["epoch"], first["token"]
            self._seq = 0
            self._claims.clear()
            self._is_detach_sent = False
            self._on_attached(first)
            self._channel = channel
            self.changed.notify_all()
        return channel

    def _run(self, channel: Optional[Channel]) -> None:
        try:
            while channel is not None:
                self._send()
                attached_at = time.monotonic()
                closing = self._follow(channel)
                with self.changed:
                    self._channel = None
                    if closing is not None and closing.get("code") == "payload_too_large":
                        self.outbox.refuse_largest(_error_of(closing))
                    self.outbox.lost()
                channel.close()
                if time.monotonic() - attached_at > _STABLE_SECONDS:
                    self._lost_at = None
                channel = self._after(closing)
        except BaseException as error:  # A fault of this package must not leave the worker waiting.
            self._end(error)

    def _follow(self, channel: Channel) -> Optional[Mapping[str, Any]]:
        """Tells what the daemon says; returns the message `closing`, None if there was none."""
        idle = None if self._on_idle is None else 1.0
        told_at = time.monotonic()
        for message in channel.messages(idle):
            if self._is_over:
                return None
            with self.changed:
                if message is not None and self._take(message):
                    return message
                if self._on_idle is not None and time.monotonic() - told_at >= 1.0:
                    told_at = time.monotonic()
                    self._on_idle()
                self.changed.notify_all()
            self.push()
        return None

    def _take(self, message: Mapping[str, Any]) -> bool:
        """Takes a message. Returns true if it is the last that counts on this connection."""
        kind = message.get("type")
        if kind == "ack":
            self._lost_at = None
            self.outbox.acked(message["seq"], message.get("revision"))
        elif kind == "closing":
            return True
        elif kind == "error" and _is_sent_again(message) and self.outbox.has_sent(message["seq"]):
            return True
        elif kind == "error" and self.outbox.refused(message["seq"], _error_of(message)):
            self._lost_at = None
        else:
            self._on_message(message)
        return False

    def _after(self, closing: Optional[Mapping[str, Any]]) -> Optional[Channel]:
        """What follows the end of a connection: another one, or the end of the lease."""
        code = None if closing is None else closing.get("code")
        if self._is_over or (self._is_detaching and code == "detached"):
            self._end(None)
            return None
        if closing is not None and code in _FINAL:
            self._end(_error_of(closing))
            return None
        path = self._options.daemon.socket_path
        return self._reconnect(closed(path) if closing is None else _error_of(closing))

    def _reconnect(self, last: BaseException) -> Optional[Channel]:
        if self._lost_at is None:
            self._lost_at = time.monotonic()
        attempt = 0
        while not self._is_over:
            left = self._options.reconnect - (time.monotonic() - self._lost_at)
            if left <= 0:
                self._end(last)
                break
            attempt += 1
            with self.changed:
                self.changed.wait(min(backoff(attempt), left))
            try:
                return self._connect(max(left, _LEAST_ATTEMPT_SECONDS))
            except SessiondError as error:
                last = error
                if not self._may_pass(error):
                    self._end(error)
        return None

    def _may_pass(self, error: SessiondError) -> bool:
        if not isinstance(error, DaemonUnreachableError):
            return error.code in _PASSING
        return not is_nobody_there(error) or self._options.daemon.revive() != "stopped"

    def _end(self, error: Optional[BaseException]) -> None:
        with self.changed:
            if self._is_over:
                return
            self._is_over, self._error = True, error
            failure = error or error_of("lease_lost", "this worker has detached")
            self.outbox.fail(lambda message: _outcome(failure, message.is_sent))
            if self._channel is not None:
                self._channel.shut()
            self.changed.notify_all()


def _is_sent_again(message: Mapping[str, Any]) -> bool:
    return message.get("outcome") == "unknown" or message.get("code") in _SENT_AGAIN


def _error_of(message: Mapping[str, Any]) -> SessiondError:
    outcome = "unknown" if message.get("outcome") == "unknown" else "not_applied"
    return error_of(str(message.get("code")), str(message.get("detail")), outcome=outcome)


def _outcome(error: BaseException, is_sent: bool) -> BaseException:
    """The error for a report that gets no answer."""
    if not isinstance(error, SessiondError):
        return error
    outcome = "unknown" if is_sent else "not_applied"
    if isinstance(error, DaemonUnreachableError):
        return DaemonUnreachableError(error.reason, error.socket_path, str(error), outcome=outcome)
    return error_of(error.code, str(error), outcome=outcome)


_leases: "weakref.WeakSet[Lease]" = weakref.WeakSet()


def _forget_all() -> None:
    # A forked process that kept a connection open would keep the lease of a worker that has died.
    for lease in list(_leases):
        lease.forget()


os.register_at_fork(after_in_child=_forget_all)
