"""What a client knows of the daemon that it talks to: where it listens, and how it comes to listen."""

from __future__ import annotations

from .errors import DaemonUnreachableError


class Daemon:
    """A daemon that somebody else starts and stops, such as the system service."""

    def __init__(self, socket_path: str) -> None:
        self._socket_path = socket_path

    @property
    def socket_path(self) -> str:
        """Where it listens. A start may change the path."""
        return self._socket_path

    def ready(self) -> None:
        """Returns when the daemon can be reached, which may mean to start it. Cheap after the first time."""

    def revive(self) -> str:
        """
        Starts a daemon again that was killed, if it is one that clients start.

        :returns: `listening` if one listens now; `gone` if nobody started one; `stopped` if somebody stopped
            it on purpose
        """
        return "gone"


def is_nobody_there(error: BaseException) -> bool:
    """Whether no process listens at the socket, so that the request cannot have arrived."""
    return isinstance(error, DaemonUnreachableError) and error.reason in ("missing", "refused")
