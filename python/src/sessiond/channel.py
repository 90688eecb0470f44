"""
One connection of a worker: the upgrade, and JSON objects as lines in both directions. It knows no lease and
no report.
"""

from __future__ import annotations

import os
import select
import socket
from collections import deque
from typing import Any, Deque, Dict, Iterator, List, Optional

from .connection import not_sessiond, upgrade
from .exact_json import JsonError, parse_json

PROTOCOL = "sessiond-channel/1"
TOKEN_HEADER = "sessiond-token"

_RECEIVE_BYTES = 65_536


class Channel:
    """An open connection. One thread reads; writers take turns."""

    def __init__(self, socket_path: str, target: str, token: Optional[str], timeout: Optional[float]) -> None:
        """
        Connects, and waits for the switch of protocols.

        :param target: path and query, encoded
        :param token: of the lease with which the worker goes on
        :raises SessiondError: what the daemon answers in place of 101
        :raises DaemonUnreachableError: with the reason and the path
        """
        headers = {} if token is None else {TOKEN_HEADER: token}
        upgraded = upgrade(socket_path, target, PROTOCOL, headers, timeout=timeout)
        self._socket_path = socket_path
        self._socket = upgraded.socket
        # What came together with the head is in the buffer of the reader, which is of no use after that.
        self._socket.setblocking(False)
        self._lines: Deque[bytes] = deque()
        self._rest: List[bytes] = []
        """The parts of a line whose end has not come yet."""
        self._split(upgraded.reader.peek())
        upgraded.reader.close()
        self._socket.settimeout(None)

    def send(self, lines: bytes) -> None:
        """
        Sends lines, each with its end.

        :raises OSError: the connection is lost
        """
        self._socket.sendall(lines)

    def messages(self, idle: Optional[float] = None) -> Iterator[Optional[Dict[str, Any]]]:
        """
        The messages of the daemon, up to the end of the connection; None whenever none came for `idle`
        seconds. A line without an end is no message.

        :raises DaemonUnreachableError: a line is no message
        """
        while True:
            while self._lines:
                line = self._lines.popleft()
                if line.strip() != b"":
                    yield self._message(line)
            if not self._is_readable(idle):
                yield None
                continue
            try:
                received = self._socket.recv(_RECEIVE_BYTES)
            except OSError:
                return
            if received == b"":
                return
            self._split(received)

    def shut(self) -> None:
        """Ends the connection, so that its reader comes to the end."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def close(self) -> None:
        """Gives the descriptor back, without a word to the daemon."""
        self._socket.close()

    def _split(self, received: bytes) -> None:
        *ends, rest = received.split(b"\n")
        for end in ends:
            self._rest.append(end)
            self._lines.append(b"".join(self._rest))
            self._rest.clear()
        if rest != b"":
            self._rest.append(rest)

    def _is_readable(self, idle: Optional[float]) -> bool:
        watch = select.poll()
        try:
            watch.register(self._socket, select.POLLIN | select.POLLHUP)
        except (OSError, ValueError):
            return True
        return watch.poll(None if idle is None else idle * 1000) != []

    def _message(self, line: bytes) -> Dict[str, Any]:
        try:
            value = parse_json(line)
        except JsonError:
            value = None
        if not isinstance(value, dict):
            raise not_sessiond(self._socket_path, "it sent a line that is no JSON object")
        return value


def own_process() -> Optional[str]:
    """
    This process as the daemon knows it, to see that it has ended: boot, pid namespace, pid and start time
    (proc(5)); None where the system does not tell.
    """
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            boot = file.read().strip()
        namespace = os.readlink("/proc/self/ns/pid")[len("pid:[") : -1]
        with open("/proc/self/stat", "rb") as stat:
            # The name of the program, in parentheses, may have spaces.
            start = stat.read().rpartition(b")")[2].split()[19].decode("ascii")
    except (OSError, IndexError, ValueError):
        return None
    return f"{boot}/{namespace}/{os.getpid()}/{start}"
