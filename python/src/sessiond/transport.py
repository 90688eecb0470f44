"""
Requests over the Unix socket: connections that are kept open and shared by threads, repeated requests, and
replies. It knows HTTP, and not what a route means.
"""

from __future__ import annotations

import http.client
import os
import select
import socket
import threading
from typing import Dict, List, Mapping, NamedTuple, Optional, Tuple

from .connection import (
    PROTOCOL_HEADER,
    PROTOCOL_VERSION,
    Head,
    closed,
    no_http,
    open_socket,
    problem_error,
    timed_out,
)
from .daemon import Daemon, is_nobody_there
from .errors import DaemonUnreachableError, SessiondError

_MOST_IDLE = 32
"""How many idle connections are kept for later requests."""


class Request(NamedTuple):
    """What is sent to the daemon."""

    method: str
    target: str
    """Path and query, encoded."""
    body: Optional[bytes] = None
    headers: Mapping[str, str] = {}
    repeatable: bool = False
    """Whether it may be sent again if nobody knows whether the daemon has carried it out."""


class Answer(NamedTuple):
    """A reply of any status, with its whole body."""

    status: int
    headers: Mapping[str, str]
    """By names in lower case."""
    body: bytes
    unsure: bool = False
    """Whether the request was sent twice and may have been carried out the first time as well."""


class _Stale(Exception):
    """A connection that had been idle ended while it was used again: the request may be sent once more."""

    def __init__(self, error: DaemonUnreachableError, certain: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.certain = certain
        """Whether the daemon certainly did not receive the whole request."""


class _Connection(http.client.HTTPConnection):
    """An HTTP connection over a Unix socket."""

    def __init__(self, socket_path: str, timeout: Optional[float]) -> None:
        super().__init__("localhost")
        self.socket_path = socket_path
        self.seconds = timeout
        self.sock: Optional[socket.socket] = None

    def connect(self) -> None:
        self.sock = open_socket(self.socket_path, self.seconds)

    def is_stale(self) -> bool:
        """Whether the daemon has ended this idle connection: there is something to read, such as its end."""
        if self.sock is None:
            return True
        watch = select.poll()
        watch.register(self.sock, select.POLLIN | select.POLLHUP)
        return watch.poll(0) != []


class Transport:
    """Sends requests to a daemon. Threads may share it: each request has a connection of its own."""

    def __init__(self, daemon: Daemon, timeout: Optional[float]) -> None:
        """
        :param timeout: how long the daemon may be silent, in seconds; None waits without limit
        """
        self.daemon = daemon
        self.timeout = timeout
        self._lock = threading.Lock()
        self._idle: List[_Connection] = []
        self._process = os.getpid()

    def request(self, request: Request) -> Answer:
        """
        Sends a request. It is sent once more if a daemon listens now where nobody listened, or where a daemon
        on demand ended while it answered a request that may be repeated.

        :returns: the reply, whatever its status
        :raises DaemonUnreachableError: with the reason, the path, and the outcome
        """
        self.daemon.ready()
        try:
            return self._send(request)
        except DaemonUnreachableError as error:
            was_cut = error.reason == "closed"
            may_be_sent = is_nobody_there(error) or (was_cut and request.repeatable)
            if not may_be_sent or self.daemon.revive() != "listening":
                raise
            answer = self._send(request)
            return answer._replace(unsure=answer.unsure or was_cut)

    def __del__(self) -> None:
        # A client that is not used any more keeps no connection open.
        if hasattr(self, "_process"):
            self.close()

    def close(self) -> None:
        """Closes idle connections. Open requests go on, and later ones open new connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _send(self, request: Request) -> Answer:
        """
        A daemon that restarts closes idle connections while a request may be using one: the request is sent
        once more if it certainly was not read or may be repeated.
        """
        try:
            return self._exchange(request, self._idle_connection())
        except _Stale as stale:
            if not (stale.certain or request.repeatable):
                raise stale.error from stale
            unsure = not stale.certain
        try:
            return self._exchange(request, None)._replace(unsure=unsure)
        except DaemonUnreachableError as error:
            # The first attempt may have been carried out, whatever is known of the second.
            if unsure:
                error.outcome = "unknown"
            raise

    def _exchange(self, request: Request, idle: Optional[_Connection]) -> Answer:
        connection = idle or _Connection(self.daemon.socket_path, self.timeout)
        is_kept = False
        try:
            if idle is None:
                connection.connect()
            answer, is_kept = self._converse(request, connection, is_reused=idle is not None)
            return answer
        finally:
            if not (is_kept and self._keep(connection)):
                connection.close()

    def _converse(
        self, request: Request, connection: _Connection, *, is_reused: bool
    ) -> Tuple[Answer, bool]:
        path = connection.socket_path
        refused: Optional[OSError] = None
        try:
            try:
                connection.request(request.method, request.target, request.body, _headers_of(request))
            except ConnectionError as error:
                # The daemon may have answered before it read everything, as to a body that is too large.
                refused = error
            response = connection.getresponse()
            body = response.read()
        except socket.timeout as error:
            raise timed_out(path, self.timeout) from error
        except (ConnectionError, http.client.IncompleteRead) as error:
            lost = closed(path)
            lost.__cause__ = error
            if is_reused and not isinstance(error, http.client.IncompleteRead):
                # If the kernel refused the write, the daemon cannot have the whole request.
                raise _Stale(lost, certain=isinstance(refused, BrokenPipeError)) from error
            raise lost from error
        except (http.client.HTTPException, ValueError) as error:
            raise no_http(path) from error
        except OSError as error:
            raise closed(path) from error
        headers = {name.lower(): text for name, text in response.getheaders()}
        return Answer(response.status, headers, body), refused is None and not response.will_close

    def _idle_connection(self) -> Optional[_Connection]:
        while True:
            with self._lock:
                if self._process != os.getpid():
                    # The parent goes on with these connections: this process has copies of its descriptors.
                    self._process = os.getpid()
                    for connection in self._idle:
                        connection.close()
                    self._idle = []
                if not self._idle:
                    return None
                connection = self._idle.pop()
            if connection.socket_path == self.daemon.socket_path and not connection.is_stale():
                return connection
            connection.close()

    def _keep(self, connection: _Connection) -> bool:
        with self._lock:
            if len(self._idle) >= _MOST_IDLE or self._process != os.getpid():
                return False
            self._idle.append(connection)
            return True


def refusal_of(answer: Answer, socket_path: str) -> SessiondError:
    """The error that an error reply reports."""
    error = problem_error(Head(answer.status, answer.headers), answer.body, socket_path)
    if answer.unsure:
        error.outcome = "unknown"
    return error


def _headers_of(request: Request) -> Dict[str, str]:
    content = {} if request.body is None else {"content-type": "application/json"}
    return {
        "accept": "application/json",
        PROTOCOL_HEADER: PROTOCOL_VERSION,
        **content,
        **request.headers,
    }
