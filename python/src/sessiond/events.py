"""
The event stream of a daemon: Server-Sent Events (WHATWG HTML, section 9.2), over lost connections. It does
not know what events mean.
"""

from __future__ import annotations

import http.client
import socket
import threading
import time
from types import TracebackType
from typing import Any, Dict, Generator, Iterator, List, Optional, Type

from .connection import (
    PROTOCOL_HEADER,
    PROTOCOL_VERSION,
    Head,
    backoff,
    closed,
    no_http,
    not_sessiond,
    open_socket,
    problem_error,
    timed_out,
)
from .daemon import Daemon, is_nobody_there
from .errors import DaemonUnreachableError, InternalError, SessiondError
from .exact_json import JsonError, parse_json

_SILENCE = 45.0
"""In seconds. The daemon sends something every 15 s: one that is silent for longer counts as gone."""
_STABLE = 1.0


class _Busy(Exception):
    """A refusal that may pass: too many readers, or a daemon that is stopping."""

    def __init__(self, error: SessiondError) -> None:
        super().__init__(str(error))
        self.error = error


class EventStream(Iterator[Dict[str, Any]]):
    """
    The events, one after another; `kind` says what each is. Leave it with `close`, which another thread may
    call too: the iteration then ends. One thread iterates.

    >>> with client.events(kind="session.status") as events:
    ...     for event in events:
    ...         print(event["kind"], event.get("session_id"))
    """

    def __init__(
        self, daemon: Daemon, target: str, *, timeout: Optional[float], reconnect: float
    ) -> None:
        """
        :param target: path and query, encoded
        :param timeout: of an attempt to connect, in seconds; None waits without limit
        :param reconnect: how long to try to reconnect, in seconds
        """
        self._daemon = daemon
        self._target = target
        self._timeout = timeout
        self._reconnect = reconnect
        self._cursor: Optional[str] = None
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._socket: Optional[socket.socket] = None
        self._events = self._follow()

    def __iter__(self) -> "EventStream":
        return self

    def __next__(self) -> Dict[str, Any]:
        """
        Waits for the next event.

        :raises SessiondError: the daemon refuses
        :raises DaemonUnreachableError: it cannot be reached, or not again in time
        """
        return next(self._events)

    def __enter__(self) -> "EventStream":
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()
        self._events.close()

    def close(self) -> None:
        """Ends the iteration."""
        self._closed.set()
        with self._lock:
            if self._socket is not None:
                try:
                    self._socket.shutdown(socket.SHUT_RDWR)
                except OSError:
                    # The daemon was faster.
                    pass

    def _follow(self) -> Generator[Dict[str, Any], None, None]:
        was_connected = False
        lost_at: Optional[float] = None
        attempt = 0
        self._daemon.ready()
        while not self._closed.is_set():
            attempt += 1
            connected_at = time.monotonic()
            try:
                for event in self._connected():
                    # What comes first shows that the connection was made.
                    was_connected, lost_at = True, None
                    if event is not None:
                        yield event
                lost: SessiondError = closed(self._daemon.socket_path)
            except _Busy as busy:
                lost = busy.error
                if not was_connected:
                    raise lost from None
            except DaemonUnreachableError as error:
                lost = error
                if not was_connected and not self._closed.is_set() and not self._is_revived(error):
                    raise
            now = time.monotonic()
            if lost_at is None:
                lost_at = now
                # If every connection ends soon, the delay grows.
                attempt = 1 if now - connected_at > _STABLE else attempt
            left = self._reconnect - (now - lost_at)
            if self._closed.is_set():
                return
            if left <= 0:
                raise lost
            if self._closed.wait(min(backoff(attempt), left)):
                return
            if is_nobody_there(lost):
                self._daemon.revive()

    def _is_revived(self, error: DaemonUnreachableError) -> bool:
        """Whether a daemon on demand, which had ended since it was last used, listens again."""
        return is_nobody_there(error) and self._daemon.revive() == "listening"

    def _connected(self) -> Iterator[Optional[Dict[str, Any]]]:
        """The events of one connection; None once it is made."""
        path = self._daemon.socket_path
        connection = http.client.HTTPConnection("localhost")
        opened = connection.sock = open_socket(path, self._timeout)
        with self._lock:
            self._socket = opened
        response: Optional[http.client.HTTPResponse] = None
        try:
            if self._closed.is_set():
                return
            headers = {"accept": "text/event-stream", PROTOCOL_HEADER: PROTOCOL_VERSION}
            if self._cursor is not None:
                headers["last-event-id"] = self._cursor
            connection.request("GET", self._target, headers=headers)
            response = connection.getresponse()
            self._check(response, path)
            opened.settimeout(_SILENCE)
            yield None
            yield from self._read(response)
        except socket.timeout as error:
            raise timed_out(path, self._timeout if response is None else _SILENCE) from error
        except (ConnectionError, http.client.IncompleteRead) as error:
            if isinstance(error, SessiondError):
                raise
            raise closed(path) from error
        except (http.client.HTTPException, ValueError) as error:
            if self._closed.is_set():
                return
            raise no_http(path) from error
        finally:
            with self._lock:
                self._socket = None
            if response is not None:
                response.close()
            connection.close()

    def _check(self, response: http.client.HTTPResponse, path: str) -> None:
        headers = {name.lower(): text for name, text in response.getheaders()}
        if response.status != 200:
            error = problem_error(Head(response.status, headers), response.read(), path)
            raise _Busy(error) if response.status >= 500 else error
        if not headers.get("content-type", "").startswith("text/event-stream"):
            raise not_sessiond(path, "it did not answer the request for events with events")

    def _read(self, response: http.client.HTTPResponse) -> Iterator[Dict[str, Any]]:
        data: List[bytes] = []
        while True:
            line = response.readline()
            if not line.endswith(b"\n"):
                return
            field, _, value = line.rstrip(b"\r\n").partition(b":")
            value = value[1:] if value.startswith(b" ") else value
            if field == b"id":
                self._cursor = value.decode()
            elif field == b"data":
                data.append(value)
            elif line.strip() == b"" and data:
                event = _event(b"\n".join(data))
                data = []
                # The daemon ends the connection of a reader that was too slow.
                if event["kind"] == "dropped":
                    return
                yield event


def _event(data: bytes) -> Dict[str, Any]:
    try:
        event = parse_json(data)
    except JsonError:
        event = None
    if not isinstance(event, dict) or not isinstance(event.get("kind"), str):
        raise InternalError("sessiond sent an invalid event")
    return event
