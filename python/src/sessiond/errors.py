"""The errors of this package: one class for each code of the daemon, and those of the connection to it."""

from __future__ import annotations

from typing import Any, Dict, Mapping, NamedTuple, Optional, Sequence, Tuple, Type


class Issue(NamedTuple):
    """One problem of an invalid input."""

    path: str
    """The place, such as `config.target_path`; empty for the whole input."""
    message: str
    """What is wrong there."""


class SessiondError(Exception):
    """
    Every error that this package raises on purpose. Programs decide by `code`; `str(error)` is for people.

    An error whose code this package does not know yet is a plain `SessiondError` with that code.
    """

    code: str = "internal"
    """A code of the HTTP API, such as `session_not_found`, or `daemon_unreachable` or `timed_out`."""
    issues: Tuple[Issue, ...]
    """The problems of an invalid input; empty for most codes."""
    outcome: str
    """
    `not_applied`: nothing was changed. `unknown`: the change may have been made; look, or repeat a call that
    may be repeated.
    """

    def __init__(
        self,
        message: str,
        *,
        code: Optional[str] = None,
        issues: Sequence[Issue] = (),
        outcome: str = "not_applied",
    ) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code
        self.issues = tuple(issues)
        self.outcome = outcome


class InvalidRequestError(SessiondError):
    """An argument makes no sense; `issues` names the places."""

    code = "invalid_request"


class InvalidSessionIdError(SessiondError):
    """The text cannot be the id of a session."""

    code = "invalid_session_id"


class SessionNotFoundError(SessiondError):
    """No session has this id."""

    code = "session_not_found"


class SessionDeletedError(SessiondError):
    """The session is in the trash."""

    code = "session_deleted"


class SessionExistsError(SessiondError):
    """There is a session with this id already."""

    code = "session_exists"


class InvalidTransitionError(SessiondError):
    """The status of the session does not allow the change."""

    code = "invalid_transition"


class LeaseHeldError(SessiondError):
    """A worker is attached, which alone may do this."""

    code = "lease_held"


class LeaseLostError(SessiondError):
    """The lease of this worker has ended."""

    code = "lease_lost"


class NotClaimedError(SessiondError):
    """A file is not claimed by this worker."""

    code = "not_claimed"


class ApprovalRequiredError(SessiondError):
    """A cleanup would remove sessions, and waits for the approval of its plan."""

    code = "approval_required"


class RevisionMismatchError(SessiondError):
    """The session is not in the state that the condition names."""

    code = "revision_mismatch"


class PayloadTooLargeError(SessiondError):
    """The request is larger than `limits.body` of the daemon."""

    code = "payload_too_large"


class SessionCorruptError(SessiondError):
    """The document of the session cannot be read. It is kept as it is."""

    code = "session_corrupt"


class StorageFullError(SessiondError):
    """There is no space left."""

    code = "storage_full"


class StorageFailedError(SessiondError):
    """Reading or writing failed."""

    code = "storage_failed"


class StorageUnavailableError(SessiondError):
    """The database is away, or not safe at the moment. Try again later."""

    code = "storage_unavailable"


class StorageUnsafeError(SessiondError):
    """The database would lose what it has acknowledged, so the daemon does not use it."""

    code = "storage_unsafe"


class StorageTooNewError(SessiondError):
    """A later version of sessiond has written the database of the sessions."""

    code = "storage_too_new"


class NotSupportedError(SessiondError):
    """The storage of this daemon cannot do this."""

    code = "not_supported"


class DirectoryLockedError(SessiondError):
    """Another daemon or program holds the directory of the sessions."""

    code = "directory_locked"


class DirectoryTooNewError(SessiondError):
    """A later version of sessiond has written the directory of the sessions."""

    code = "directory_too_new"


class SocketInUseError(SessiondError):
    """Another process listens at the socket that a daemon was to use."""

    code = "socket_in_use"


class ShuttingDownError(SessiondError):
    """The daemon is stopping."""

    code = "shutting_down"


class InternalError(SessiondError):
    """A bug; the log of the daemon has more."""

    code = "internal"


class DaemonUnreachableError(SessiondError, ConnectionError):
    """The daemon cannot be reached, or its reply does not arrive. The message says what to do."""

    code = "daemon_unreachable"
    reason: str
    """
    `missing`: there is no socket. `refused`: no process listens. `not_permitted`: this user may not use the
    socket. `not_started`: no daemon could be started. `stopped`: somebody stopped the daemon on purpose.
    `timed_out`: no reply came in time. `closed`: the connection ended before the reply. `not_sessiond`:
    another program answered.
    """
    socket_path: str
    """The path that was tried: that of the socket, or of the store where no daemon was found."""

    def __init__(self, reason: str, socket_path: str, message: str, *, outcome: str = "not_applied") -> None:
        super().__init__(message, outcome=outcome)
        self.reason = reason
        self.socket_path = socket_path

    def __reduce__(self) -> Tuple[Any, ...]:
        return (_unreachable_again, (type(self), self.reason, self.socket_path, str(self), self.outcome))


class TimedOutError(DaemonUnreachableError, TimeoutError):
    """The daemon did not answer in time."""

    code = "timed_out"


def _unreachable_again(
    kind: Type[DaemonUnreachableError], reason: str, socket_path: str, message: str, outcome: str
) -> DaemonUnreachableError:
    return kind(reason, socket_path, message, outcome=outcome)


_by_code: Dict[str, Type[SessiondError]] = {
    kind.code: kind
    for kind in SessiondError.__subclasses__()
    if not issubclass(kind, DaemonUnreachableError)
}


def error_of(
    code: str, message: str, *, issues: Sequence[Issue] = (), outcome: str = "not_applied"
) -> SessiondError:
    """The error of a code, which a newer daemon may know and this package may not."""
    return _by_code.get(code, SessiondError)(message, code=code, issues=issues, outcome=outcome)


def error_of_problem(problem: Mapping[str, Any], status: int, note: str = "") -> SessiondError:
    """
    The error that a problem document (RFC 9457) of the daemon describes.

    :param status: of the HTTP reply
    :param note: what to add to the message
    """
    code, outcome, issues = problem.get("code"), problem.get("outcome"), problem.get("issues")
    said = problem.get("detail") or problem.get("title") or f"sessiond answered with status {status}"
    return error_of(
        code if isinstance(code, str) and code else "internal",
        f"{said}{note}",
        issues=_issues_of(issues),
        outcome="unknown" if outcome == "unknown" else "not_applied",
    )


def _issues_of(written: object) -> Sequence[Issue]:
    if not isinstance(written, list):
        return ()
    return [
        Issue(str(issue.get("path", "")), str(issue.get("message", "")))
        for issue in written
        if isinstance(issue, dict)
    ]
