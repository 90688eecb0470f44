"""
One connection to the socket of a daemon: opening it, reading the head of a reply, switching it to another
protocol, and saying why it failed. It does not know what is asked.
"""

from __future__ import annotations

import errno
import http.client
import os
import random
import socket
import time
from io import BufferedReader
from typing import Dict, Mapping, NamedTuple, Optional

from .errors import DaemonUnreachableError, SessiondError, TimedOutError, error_of_problem
from .exact_json import JsonError, parse_json

PROTOCOL_HEADER = "sessiond-protocol"
PROTOCOL_VERSION = "1"

MOST_PATH_BYTES = 107
"""The longest path of a Unix socket on Linux: `sun_path` of unix(7), less its final zero byte."""

_CONNECT_ATTEMPTS = 6
"""How often to try while the queue of new connections is full (listen(2)), which passes in milliseconds."""

_FIRST_DELAY, _MOST_DELAY = 0.02, 0.5
_MOST_LINE = _READ_AHEAD = 65_536


def backoff(attempt: int, first: float = _FIRST_DELAY) -> float:
    """The delay in seconds after an attempt, counted from 1: it doubles, and is random within bounds."""
    return float(min(first * 2 ** (attempt - 1), _MOST_DELAY)) * (0.5 + random.random())


def open_socket(socket_path: str, timeout: Optional[float] = None) -> socket.socket:
    """
    Connects to the socket of a daemon.

    :param timeout: in seconds, which stays the timeout of the socket; None waits without limit
    :raises DaemonUnreachableError: with the reason and the path
    """
    size = len(os.fsencode(socket_path))
    if size > MOST_PATH_BYTES:
        raise DaemonUnreachableError(
            "missing",
            socket_path,
            f"the socket path {socket_path} has {size} bytes, but a socket path can have at most "
            f"{MOST_PATH_BYTES}; use a shorter path",
        )
    for attempt in range(1, _CONNECT_ATTEMPTS + 1):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(timeout)
            connection.connect(socket_path)
            return connection
        except OSError as error:
            connection.close()
            if error.errno != errno.EAGAIN or attempt == _CONNECT_ATTEMPTS:
                raise connect_error(error, socket_path, timeout) from error
            time.sleep(backoff(attempt))
    raise AssertionError("unreachable")


class Head(NamedTuple):
    """The head of an HTTP reply."""

    status: int
    headers: Mapping[str, str]
    """By names in lower case."""


def read_head(reader: BufferedReader, socket_path: str) -> Head:
    """
    Reads the head of a reply, and nothing of what follows it.

    :raises DaemonUnreachableError: `closed`, `not_sessiond`
    :raises OSError: what reading fails with
    """
    line = reader.readline(_MOST_LINE)
    if line == b"":
        raise closed(socket_path)
    words = line.split(None, 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        raise no_http(socket_path)
    try:
        fields = http.client.parse_headers(reader)
    except http.client.HTTPException as error:
        raise no_http(socket_path) from error
    return Head(int(words[1]), {name.lower(): text for name, text in fields.items()})


class Upgraded(NamedTuple):
    """A connection that speaks another protocol now."""

    socket: socket.socket
    """For writing, with the timeout that was given for the upgrade."""
    reader: BufferedReader
    """For reading: what the daemon sends after the head. Close it together with the socket."""
    head: Head


def upgrade(
    socket_path: str,
    target: str,
    protocol: str,
    headers: Mapping[str, str] = {},
    *,
    timeout: Optional[float] = None,
) -> Upgraded:
    """
    Switches a new connection to another protocol (RFC 9110, section 7.8).

    :param target: path and query, encoded
    :param timeout: in seconds for each operation until the switch; None waits without limit
    :raises SessiondError: what the daemon answers in place of 101
    :raises DaemonUnreachableError: with the reason and the path
    """
    connection = open_socket(socket_path, timeout)
    reader = BufferedReader(socket.SocketIO(connection, "r"), _READ_AHEAD)
    try:
        asked: Dict[str, str] = {
            "host": "localhost",
            "connection": "Upgrade",
            "upgrade": protocol,
            PROTOCOL_HEADER: PROTOCOL_VERSION,
            **headers,
        }
        lines = [f"GET {target} HTTP/1.1", *(f"{name}: {text}" for name, text in asked.items()), "", ""]
        try:
            connection.sendall("\r\n".join(lines).encode("ascii"))
            head = read_head(reader, socket_path)
            if head.status == 101:
                return Upgraded(connection, reader, head)
            size = head.headers.get("content-length", "")
            body = reader.read(int(size)) if size.isdigit() else reader.read()
        except socket.timeout as error:
            raise timed_out(socket_path, timeout) from error
        except OSError as error:
            if isinstance(error, SessiondError):
                raise
            raise closed(socket_path) from error
        raise problem_error(head, body, socket_path)
    except BaseException:
        reader.close()
        connection.close()
        raise


def problem_error(head: Head, body: bytes, socket_path: str) -> SessiondError:
    """The error that an error reply reports. If the protocol versions differ, the message says so."""
    version = head.headers.get(PROTOCOL_HEADER)
    try:
        problem = parse_json(body)
    except JsonError:
        problem = None
    if not isinstance(problem, dict):
        return not_sessiond(socket_path, f"it answered with status {head.status} and no JSON object")
    note = (
        ""
        if version in (None, PROTOCOL_VERSION)
        else f" (this client uses protocol version {PROTOCOL_VERSION}, the daemon version {version})"
    )
    return error_of_problem(problem, head.status, note)


def connect_error(error: OSError, socket_path: str, timeout: Optional[float]) -> DaemonUnreachableError:
    """The error for a connection that could not be opened."""
    if isinstance(error, socket.timeout):
        return timed_out(socket_path, timeout, outcome="not_applied")
    start = f"start it with: sessiond --socket {socket_path}"
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return DaemonUnreachableError(
            "missing",
            socket_path,
            f"sessiond is not running: there is no socket at {socket_path}; {start}, "
            "or set SESSIOND_SOCKET to its socket",
        )
    if error.errno == errno.ECONNREFUSED:
        return DaemonUnreachableError(
            "refused", socket_path, f"sessiond is not running: no process listens at {socket_path}; {start}"
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return DaemonUnreachableError(
            "not_permitted",
            socket_path,
            f"no permission to use the socket {socket_path}: look at its owner and mode, and at those of its "
            "directory (ls -ld); socket.group and socket.mode of the configuration decide about them",
        )
    if error.errno == errno.EAGAIN:
        return DaemonUnreachableError(
            "refused",
            socket_path,
            f"too many clients wait to connect to sessiond at {socket_path}; try again later",
        )
    return DaemonUnreachableError(
        "refused", socket_path, f"cannot connect to sessiond at {socket_path}: {error.strerror}; see its log"
    )


def closed(socket_path: str) -> DaemonUnreachableError:
    """The error for a connection that ended in place of an answer."""
    return DaemonUnreachableError(
        "closed",
        socket_path,
        f"sessiond closed the connection at {socket_path} without an answer; check whether the "
        "change was made, then try again",
        outcome="unknown",
    )


def timed_out(
    socket_path: str, timeout: Optional[float], *, outcome: str = "unknown"
) -> DaemonUnreachableError:
    """The error for an answer that did not come in time."""
    return TimedOutError(
        "timed_out",
        socket_path,
        f"sessiond at {socket_path} did not answer within {timeout} s; see its log, or allow more time",
        outcome=outcome,
    )


def not_sessiond(socket_path: str, evidence: str) -> DaemonUnreachableError:
    """The error for an answer that sessiond would not give; `evidence` is a clause."""
    return DaemonUnreachableError(
        "not_sessiond",
        socket_path,
        f"the process that listens at {socket_path} is not sessiond ({evidence}); "
        "check that this is the right socket",
        outcome="unknown",
    )


def no_http(socket_path: str) -> DaemonUnreachableError:
    """The error for an answer that is no HTTP."""
    return not_sessiond(socket_path, "it does not speak HTTP")
