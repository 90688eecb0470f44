"""The simple way in: sessions in a directory, and `None` or `False` in place of the usual errors."""

from __future__ import annotations

import itertools
import logging
import math
import os
import unicodedata
from datetime import datetime, timezone
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple, Type, Union

from .calls import Reply, listed
from .client import Client
from .daemon import Daemon
from .errors import (
    ApprovalRequiredError,
    InvalidRequestError,
    InvalidTransitionError,
    SessionCorruptError,
    SessionDeletedError,
    SessionNotFoundError,
    error_of,
)
from .diagnosis import health_of, is_there, validity_of
from .find_daemon import DEFAULT_SESSIONS_DIR, store_daemon
from .replacing import ATTEMPTS, create_over, save_over
from .session import Session, Status, config_of, state_of, status_of
from .whole_file import write_whole

_UNREADABLE = (SessionNotFoundError, SessionDeletedError, SessionCorruptError)
_SESSION: Callable[..., Any] = Session
_log = logging.getLogger("sessiond")


class _Default(str):
    """The value of an argument that was not given."""


_DEFAULT_DIR = _Default(DEFAULT_SESSIONS_DIR)


class SessionManager:
    """
    Creates, pauses, resumes and cleans up analysis sessions.

    For a session that is missing or cannot be read, methods that return data return None, and others False.
    The same applies if the status of the session does not allow a change, such as pausing a session that is
    not running. Every other failure raises a `SessiondError` with a `code`. Threads may share a manager.

    >>> manager = SessionManager()
    >>> session = manager.create_session("review", {"target_path": "src"}, ["a.py", "b.py"])
    >>> manager.checkpoint("review", ["a.py"], ["b.py"], {"a.py": {"score": 85.0}})
    True
    """

    def __init__(
        self,
        sessions_dir: Union[str, "os.PathLike[str]"] = _DEFAULT_DIR,
        *,
        socket_path: Union[None, str, "os.PathLike[str]"] = None,
        state_model: Optional[Callable[..., Any]] = None,
    ) -> None:
        """
        :param sessions_dir: the directory of the sessions. It is made if it is missing, and its daemon is
            started when it is first needed: `$SESSIOND_BIN`, or `sessiond` in the PATH. If neither this nor
            `socket_path` is given and there is no `.sessions`, `$SESSIOND_SOCKET` names the daemon
        :param socket_path: the socket of a daemon, whatever its directory
        :param state_model: what makes a state of the fields of a document, such as a pydantic model; by
            default `Session`. A document that it refuses by a ValueError counts as one that cannot be read
        :raises DaemonUnreachableError: `not_permitted`: the directory is not the user's own
        """
        self.sessions_dir = Path(sessions_dir)
        self._model = _SESSION if state_model is None else state_model
        self.client = Client(daemon=_daemon_of(sessions_dir, socket_path))

    def __enter__(self) -> "SessionManager":
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes idle connections. A later call opens a new one."""
        self.client.close()

    def create_session(
        self, session_id: str, config: object, pending_files: Optional[Iterable[object]] = None
    ) -> Any:
        """
        Creates a running session. One that has this id goes to the trash first; if the new one cannot be
        created then, it comes back.

        :param config: a mapping, a model or a dataclass with `target_path`, or the target path itself
        :param pending_files: each file once
        :returns: the session
        :raises LeaseHeldError: a worker is attached to the session that has this id
        """
        created = create_over(self.client, session_id, config_of(config), listed(pending_files) or [])
        return state_of(created, self._model)

    def save_session(self, state: object) -> None:
        """
        Replaces the document of a session, or creates it. Keys that the state does not know are kept, those
        of its configuration too.

        :param state: a session, or a mapping, a model or a dataclass with its fields
        """
        save_over(self.client, state)

    def load_session(self, session_id: str) -> Any:
        """The session; None if it is missing or cannot be read."""
        try:
            return self._state_of(self.client.get_session(session_id))
        except _UNREADABLE:
            return None

    def checkpoint(
        self,
        session_id: str,
        processed_files: Iterable[object],
        pending_files: Iterable[object],
        partial_results: Optional[Mapping[Any, Any]] = None,
    ) -> bool:
        """
        Replaces both file lists and merges results by key. Durable when it returns.

        :param processed_files: a file must be in one list, once
        """
        return _done(
            lambda: self.client.checkpoint_session(
                session_id, processed_files, pending_files, partial_results
            )
        )

    def pause_session(self, session_id: str) -> bool:
        """Pauses a running session. False if it is missing or not running."""
        return _done(lambda: self.client.pause_session(session_id))

    def resume_session(self, session_id: str) -> Any:
        """Resumes a paused session and returns it. None if it is missing or not paused."""
        try:
            return self._state_of(self.client.resume_session(session_id))
        except (*_UNREADABLE, InvalidTransitionError):
            return None

    def complete_session(self, session_id: str) -> bool:
        """Marks a session of any status as completed."""
        return _done(lambda: self.client.complete_session(session_id))

    def fail_session(self, session_id: str) -> bool:
        """Marks a session of any status as failed."""
        return _done(lambda: self.client.fail_session(session_id))

    def update_session_status(self, session_id: str, status: object) -> bool:
        """
        Gives a session a status, whichever it has.

        :param status: a text or an enum
        :raises InvalidRequestError: it is none of the four
        """
        wanted = _checked(status)
        for _ in range(ATTEMPTS):
            try:
                present = Status(self.client.get_summary(session_id)["status"])
                if present is wanted:
                    return True
                self._step(session_id, present, wanted)
            except _UNREADABLE:
                return False
            except InvalidTransitionError:
                # Somebody else changed the status meanwhile.
                continue
        raise InvalidTransitionError(f"others change the status of {session_id!r} all the time")

    def delete_session(self, session_id: str) -> bool:
        """
        Moves a session to the trash, from which it can be restored.

        :raises LeaseHeldError: a worker is attached
        """
        return _done(lambda: self.client.delete_session(session_id))

    def list_sessions(self, status_filter: object = None) -> List[Any]:
        """All sessions that can be read, or those with this status, newest checkpoint first."""
        status = None if status_filter is None else _checked(status_filter).value
        query = {} if status is None else {"status": status}
        listed = [summary["session_id"] for summary in self.client.all_sessions(**query)]
        loaded: Iterator[Optional[Reply]] = (self._readable(session_id) for session_id in listed)
        states = (
            self._state_of(document)
            for document in loaded
            if document is not None and status in (None, document["status"])
        )
        return [state for state in states if state is not None]

    def get_session_count(self, status_filter: object = None) -> int:
        """How many sessions there are, or how many have this status."""
        key = "total" if status_filter is None else _checked(status_filter).value
        return int(self.client.get_stats()[key])

    def cleanup_completed_sessions(self, keep_recent: int = 10) -> int:
        """Removes completed sessions except for the most recent ones. Returns how many were removed."""
        return _removed(self.client.run_cleanup("completed", keep_recent=keep_recent))

    def cleanup_expired_sessions(self, max_age_days: float = 30) -> int:
        """
        Removes sessions of any status without activity for so many days. Returns how many were removed.

        :raises ApprovalRequiredError: the system clock was set by more than an hour
        """
        if not math.isfinite(max_age_days):
            raise InvalidRequestError(f"max_age_days must be a number of days, not {max_age_days}")
        max_age = f"{round(max_age_days * 86_400_000)}ms"
        return _removed(self.client.run_cleanup("expired", max_age=max_age))

    def cleanup_failed_sessions(self) -> int:
        """Removes all failed sessions. Returns how many were removed."""
        return _removed(self.client.run_cleanup("failed", max_age="0ms"))

    def session_exists(self, session_id: str) -> bool:
        """Whether the session exists and can be read."""
        try:
            return self.client.session_exists(session_id)
        except SessionCorruptError:
            return False

    def backup_session(
        self, session_id: str, backup_dir: Union[None, str, "os.PathLike[str]"] = None
    ) -> bool:
        """
        Copies a session as it is now. False if it is missing or cannot be read.

        :param backup_dir: any directory that this process may write; by default that of the daemon
        :raises StorageFullError: nothing was written
        :raises StorageFailedError: nothing was written
        """
        if backup_dir is None:
            return _done(lambda: self.client.create_backup(session_id))
        try:
            document = self.client.read_session(session_id)
        except _UNREADABLE:
            return False
        stem = f"{_file_name(session_id)}_{datetime.now(timezone.utc):%Y%m%d_%H%M%S}"
        later = (f"{stem}_{copy}.json" for copy in itertools.count(2))
        write_whole(os.path.abspath(backup_dir), itertools.chain([f"{stem}.json"], later), document + b"\n")
        return True

    def validate_session(self, session_id: str) -> Tuple[bool, Optional[str]]:
        """
        Checks a session, and whether its target path exists, seen from the working directory.

        :returns: whether it is valid, and what is wrong
        """
        return validity_of(self.client, session_id)

    def recover_session(self, session_id: str) -> Any:
        """
        Repairs a session after a backup. One that cannot be read goes to quarantine (with PostgreSQL: to the
        trash), and its newest backup takes its place.

        :returns: the session; None if it is missing or could not be repaired, or its target path is gone
        """
        try:
            recovered = self.client.recover_session(session_id)["recovered"]
            session = self.client.get_session(session_id)
        except _UNREADABLE:
            return None
        is_usable = recovered and is_there(session["config"]["target_path"])
        return self._state_of(session) if is_usable else None

    def get_session_health(self, session_id: str) -> Dict[str, Any]:
        """
        `exists`, `valid` and `error`, and of a session that exists: `status`, `progress` (0 to 1),
        `processed_count`, `pending_count`, `missing_files`, `last_checkpoint`.
        """
        return health_of(self.client, session_id)

    def _readable(self, session_id: str) -> Optional[Reply]:
        try:
            return self.client.get_session(session_id)
        except _UNREADABLE:
            return None

    def _step(self, session_id: str, present: Status, wanted: Status) -> None:
        """Makes the first change on the way from one status to another."""
        client = self.client
        if wanted is Status.COMPLETED:
            client.complete_session(session_id)
        elif wanted is Status.FAILED:
            client.fail_session(session_id)
        elif present in (Status.COMPLETED, Status.FAILED):
            client.reopen_session(session_id)
        elif wanted is Status.PAUSED:
            client.pause_session(session_id)
        else:
            client.resume_session(session_id)

    def _state_of(self, document: Mapping[str, Any]) -> Any:
        try:
            return state_of(document, self._model)
        except ValueError as error:
            _log.warning("the session %r cannot be used: %s", document.get("session_id"), error)
            return None


def _daemon_of(
    sessions_dir: Union[str, "os.PathLike[str]"], socket_path: Union[None, str, "os.PathLike[str]"]
) -> Daemon:
    if socket_path is not None:
        return Daemon(os.fspath(socket_path))
    named = os.environ.get("SESSIOND_SOCKET")
    if named and sessions_dir is _DEFAULT_DIR and not os.path.lexists(sessions_dir):
        return Daemon(named)
    return store_daemon(os.fspath(sessions_dir), may_make=True)


def _done(change: Callable[[], object]) -> bool:
    """False if the session is missing or unreadable, or its status does not allow the change."""
    try:
        change()
        return True
    except (*_UNREADABLE, InvalidTransitionError):
        return False


def _checked(status: object) -> Status:
    try:
        return status_of(status)
    except ValueError:
        names = ", ".join(status.value for status in Status)
        raise InvalidRequestError(f"a status must be one of {names}, not {status!r}") from None


def _removed(result: Reply) -> int:
    """Raises the first failure only if no session was removed. Sessions that could not be removed stay."""
    if result["outcome"] == "waiting_approval":
        why = (result["warnings"] or ["it waits for approval"])[-1]
        raise ApprovalRequiredError(f"nothing was removed: {why}; the plan is {result['plan_id']!r}")
    failures = result["failures"]
    if failures and result["removed"] == 0:
        raise error_of(failures[0]["code"], failures[0]["message"])
    return int(result["removed"])


def _file_name(session_id: str) -> str:
    """As the daemon names the file of a session: a digest follows if something had to be left out."""
    kept = "".join(
        character
        for character in session_id
        if unicodedata.category(character)[0] in "LN" or character in "-_"
    )
    return kept if kept == session_id else f"{kept}-{sha256(session_id.encode()).hexdigest()[:8]}"
