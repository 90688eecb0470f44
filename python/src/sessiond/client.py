"""The client of a daemon: one method for each endpoint of its API."""

from __future__ import annotations

import os
from datetime import datetime
from types import TracebackType
from typing import Any, Dict, Iterable, Iterator, Literal, Mapping, Optional, Sequence, Type, Union, overload

from .calls import (
    Calls,
    Duration,
    Reply,
    conditions,
    duration_text,
    encoded,
    given,
    listed,
    members,
    query_text,
    session_path,
)
from .daemon import Daemon
from .errors import SessionDeletedError, SessionNotFoundError
from .events import EventStream
from .exclusive_worker import ExclusiveWorker
from .find_daemon import find_daemon
from .shared_worker import SharedWorker
from .transport import Request, Transport
from .worker import WorkerOptions

DEFAULT_TIMEOUT = 60.0


class Client(Calls):
    """
    The whole control API of a running daemon, one method for each endpoint.

    Threads may share a client. Every method raises a `SessiondError` with the daemon's `code` if the daemon
    refuses the call, and a `DaemonUnreachableError` if the daemon cannot be reached. If `outcome` of the
    error is `unknown`, the change may have been made. Times are ISO 8601, sizes are in bytes.

    >>> client = Client()
    >>> session = client.create_session({"target_path": "src"}, pending_files=["a.py"])
    >>> client.report_progress(session["session_id"], processed=["a.py"], results={"a.py": {"score": 85.0}})
    """

    def __init__(
        self,
        socket_path: Union[None, str, "os.PathLike[str]"] = None,
        *,
        store: Union[None, str, "os.PathLike[str]"] = None,
        timeout: Optional[float] = DEFAULT_TIMEOUT,
        daemon: Optional[Daemon] = None,
    ) -> None:
        """
        :param socket_path: of the daemon. Without it and without `store`, the client uses the daemon that
            `sessionctl` would use: `$SESSIOND_SOCKET`, else the nearest directory `.sessions`, whose daemon
            is started if it does not run, else the user's own service, else the system service
        :param store: a directory of sessions, whose daemon is started if it does not run
        :param timeout: how long the daemon may be silent, in seconds; None waits without limit
        :param daemon: for internal use: the daemon, if it was found already
        """
        self.daemon = daemon or find_daemon(socket_path=socket_path, store=store, timeout=timeout)
        super().__init__(Transport(self.daemon, timeout))
        self.timeout = timeout

    def __enter__(self) -> "Client":
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
        self._transport.close()

    # Sessions

    def create_session(
        self,
        config: object,
        *,
        session_id: Optional[str] = None,
        pending_files: Optional[Iterable[object]] = None,
        labels: Optional[Mapping[str, str]] = None,
        pinned: Optional[bool] = None,
        run: Optional[Mapping[str, Any]] = None,
    ) -> Reply:
        """
        Creates a running session.

        :param config: a mapping, a model or a dataclass, with `target_path`; unknown keys are kept
        :param session_id: 1 to 128 characters; generated if absent
        :param pending_files: the files to work on, in order, each once
        :param run: what `sessionctl run` is to remember
        :raises SessionExistsError: there is one with this id
        """
        return self._change(
            "POST",
            "/v1/sessions",
            given(
                config=config,
                session_id=session_id,
                pending_files=listed(pending_files),
                labels=labels,
                pinned=pinned,
                run=run,
            ),
        )

    def list_sessions(
        self,
        *,
        status: Union[None, str, Sequence[str]] = None,
        label: Optional[Mapping[str, str]] = None,
        q: Optional[str] = None,
        older_than: Optional[Duration] = None,
        pinned: Optional[bool] = None,
        sort: Optional[str] = None,
        limit: Optional[int] = None,
        cursor: Optional[str] = None,
    ) -> Reply:
        """
        One page of sessions: `sessions`, `next_cursor`, `total`. `total` is None if a store on PostgreSQL has
        too many matching sessions to count.

        :param status: one status or several
        :param label: labels that a session must have, all of them
        :param q: a text that the id, the target path or the status reason contains
        :param older_than: no activity for this long
        :param sort: `checkpoint_time` (default) or `created_time`, newest first, or `session_id`
        :param limit: 1 to 1000; 100 by default
        :param cursor: `next_cursor` of the page before
        """
        query = given(
            status=status,
            label=None if label is None else [f"{key}={value}" for key, value in label.items()],
            q=q,
            older_than=duration_text(older_than),
            pinned=pinned,
            sort=sort,
            limit=limit,
            cursor=cursor,
        )
        return self._read("/v1/sessions", query)

    def all_sessions(self, **query: Any) -> Iterator[Dict[str, Any]]:
        """The summaries of all sessions that match, over all pages; arguments as for `list_sessions`."""
        query.setdefault("limit", 1000)
        while True:
            page = self.list_sessions(**query)
            yield from page["sessions"]
            if page["next_cursor"] is None:
                return
            query["cursor"] = page["next_cursor"]

    def get_stats(self) -> Reply:
        """How many sessions there are: `total`, `running`, `paused`, `completed`, `failed`."""
        return self._read("/v1/stats")

    def get_session(self, session_id: str, *, if_match: Optional[str] = None) -> Reply:
        """The whole session. :raises RevisionMismatchError: it is not in the state that `if_match` names"""
        return self._read(session_path(session_id), headers=conditions(if_match))

    def get_session_if_changed(self, session_id: str, etag: str) -> Optional[Reply]:
        """The whole session; None if it is still in the state that the tag names."""
        answer = self._send(Request("GET", session_path(session_id), None, conditions(None, etag), True))
        return None if answer.status == 304 else self._reply_of(answer)

    def read_session(self, session_id: str) -> bytes:
        """The whole session as the daemon writes it: JSON in UTF-8."""
        return self._succeeded(self._send(Request("GET", session_path(session_id), repeatable=True))).body

    def session_exists(self, session_id: str) -> bool:
        """
        Whether the session exists. False for one in the trash.

        :raises SessionCorruptError: it exists and cannot be read
        """
        answer = self._send(Request("HEAD", session_path(session_id), repeatable=True))
        if answer.status in (404, 410):
            return False
        if answer.status == 200:
            return True
        # A reply to HEAD has no body and so no error code.
        try:
            self.get_summary(session_id)
        except (SessionNotFoundError, SessionDeletedError):
            return False
        return True

    def get_summary(self, session_id: str) -> Reply:
        """Counts, progress (0 to 1), workers and health of a session."""
        return self._read(session_path(session_id, "summary"))

    def list_files(
        self,
        session_id: str,
        *,
        state: Optional[str] = None,
        limit: Optional[int] = None,
        cursor: Optional[str] = None,
    ) -> Reply:
        """
        One page of a session's files: `files`, `next_cursor`, `total`.

        :param state: `pending` (default), `processed` or `failed`
        """
        query = given(state=state, limit=limit, cursor=cursor)
        return self._read(session_path(session_id, "files"), query)

    def list_results(
        self,
        session_id: str,
        *,
        failed: Optional[bool] = None,
        limit: Optional[int] = None,
        cursor: Optional[str] = None,
    ) -> Reply:
        """
        One page of a session's results: `results`, `next_cursor`, `total`.

        :param failed: only the results of failed files
        """
        query = given(failed=failed, limit=limit, cursor=cursor)
        return self._read(session_path(session_id, "results"), query)

    def save_session(
        self, session: object, *, if_match: Optional[str] = None, if_none_match: Optional[str] = None
    ) -> Reply:
        """
        Replaces the whole document of a session, or creates the session. A file must be in one list, once.

        :param session: the document, with `session_id`
        :param if_match: the `etag` of the state to replace
        :param if_none_match: `*` creates only
        :returns: the summary
        :raises RevisionMismatchError: a condition does not hold
        """
        document = members(session)
        headers = conditions(if_match, if_none_match)
        path = session_path(document.get("session_id"))
        return self._change("PUT", path, document, headers, repeatable=headers == {})

    def checkpoint_session(
        self,
        session_id: str,
        processed_files: Iterable[object],
        pending_files: Iterable[object],
        partial_results: Optional[Mapping[Any, Any]] = None,
        *,
        if_match: Optional[str] = None,
        if_none_match: Optional[str] = None,
    ) -> Reply:
        """Replaces both file lists, which must name each file once, and merges results by key."""
        headers = conditions(if_match, if_none_match)
        body = given(
            processed_files=listed(processed_files),
            pending_files=listed(pending_files),
            partial_results=partial_results,
        )
        path = session_path(session_id, "checkpoint")
        return self._change("POST", path, body, headers, repeatable=headers == {})

    def report_progress(
        self,
        session_id: str,
        *,
        processed: Optional[Iterable[object]] = None,
        results: Optional[Mapping[Any, Any]] = None,
        added: Optional[Iterable[object]] = None,
    ) -> Reply:
        """
        Reports processed files, their results and newly found files. The same report twice does no harm.

        :returns: `status`, `revision`, `processed_count`, `pending_count`
        :raises LeaseHeldError: the session has a worker
        """
        body = given(processed=listed(processed), results=results, added=listed(added))
        return self._change("POST", session_path(session_id, "progress"), body, repeatable=True)

    def requeue_files(
        self,
        session_id: str,
        files: Iterable[object],
        *,
        unless_finished_since: Union[None, str, datetime] = None,
    ) -> Reply:
        """
        Makes processed files pending again, at the end, in this order. Their results stay until they are
        overwritten.

        :param unless_finished_since: leave files alone that are not processed, or whose result has a
            `finished_time` at or after this
        :raises NotClaimedError: a worker has claimed one of them
        :raises LeaseHeldError: a worker has the session for itself
        """
        body = given(files=listed(files), unless_finished_since=unless_finished_since)
        return self._change("POST", session_path(session_id, "requeue"), body)

    def evict_worker(self, session_id: str, epoch: int) -> Reply:
        """
        Ends the lease of a worker at once. Others can claim the files that it holds.

        :param epoch: as the summary of the session names it
        :returns: `epoch`, `name`, and `released`, the number of claims that ended
        :raises LeaseLostError: there is no such worker
        """
        return self._change("DELETE", session_path(session_id, f"workers/{int(epoch)}"))

    def pause_session(self, session_id: str, *, reason: Optional[str] = None) -> Reply:
        """Pauses a running session. :raises InvalidTransitionError:"""
        return self._transition(session_id, "pause", reason)

    def resume_session(self, session_id: str, *, reason: Optional[str] = None) -> Reply:
        """Resumes a paused session. :returns: the whole session :raises InvalidTransitionError:"""
        return self._transition(session_id, "resume", reason)

    def complete_session(self, session_id: str, *, reason: Optional[str] = None) -> Reply:
        """Marks a session of any status as completed."""
        return self._transition(session_id, "complete", reason)

    def fail_session(self, session_id: str, *, reason: Optional[str] = None) -> Reply:
        """Marks a session of any status as failed."""
        return self._transition(session_id, "fail", reason)

    def reopen_session(self, session_id: str, *, reason: Optional[str] = None) -> Reply:
        """Takes a completed or failed session back to running. :raises InvalidTransitionError:"""
        return self._transition(session_id, "reopen", reason)

    def edit_session(
        self,
        session_id: str,
        *,
        labels: Optional[Mapping[str, Optional[str]]] = None,
        pinned: Optional[bool] = None,
        run: Optional[Mapping[str, Any]] = None,
        if_match: Optional[str] = None,
        if_none_match: Optional[str] = None,
    ) -> Reply:
        """
        Sets labels or what `sessionctl run` remembers, in which None removes a label or a key, or protects a
        session from cleanup (`pinned`). An empty `run` changes nothing; `forget_run` removes all of it.
        """
        body = given(labels=labels, pinned=pinned, run=run)
        return self._change("PATCH", session_path(session_id), body, conditions(if_match, if_none_match))

    def forget_run(self, session_id: str) -> Reply:
        """Removes all that `sessionctl run` remembers of a session."""
        return self._change("PATCH", session_path(session_id), {"run": None})

    def delete_session(
        self, session_id: str, *, purge: Optional[bool] = None, force: Optional[bool] = None
    ) -> Reply:
        """
        Moves a session to the trash.

        :param purge: delete it permanently instead
        :param force: delete it even if a worker is attached
        :raises LeaseHeldError: a worker is attached
        """
        return self._change("DELETE", session_path(session_id), query=given(purge=purge, force=force))

    # Backups and repair

    def create_backup(self, session_id: str, *, directory: Optional[str] = None) -> Reply:
        """
        Copies a session as it is now. :returns: `backup`, its name, and `location`

        :param directory: one that the daemon allows
        """
        return self._change("POST", session_path(session_id, "backup"), given(directory=directory))

    def list_backups(self, session_id: str) -> Reply:
        """The backups of a session, newest first: `backups`."""
        return self._read(session_path(session_id, "backups"))

    def restore_backup(self, session_id: str, backup: str) -> Reply:
        """Restores a backup by its name. The present session is backed up first."""
        return self._change("POST", session_path(session_id, "restore"), {"backup": backup})

    def validate_session(self, session_id: str) -> Reply:
        """Checks a session: `valid`, `findings`."""
        return self._change("POST", session_path(session_id, "validate"), repeatable=True)

    def recover_session(self, session_id: str) -> Reply:
        """
        Repairs a session after a backup. Moves an unreadable one to quarantine (with PostgreSQL: to the
        trash), and restores its newest backup.
        """
        return self._change("POST", session_path(session_id, "recover"))

    # Cleanup and trash

    def get_cleanup(self, *, due: Optional[bool] = None) -> Reply:
        """
        The cleanup jobs with their last and next runs: `jobs`.

        :param due: add how many sessions each would remove now
        """
        return self._read("/v1/cleanup", given(due=due))

    def run_cleanup(
        self,
        policy: str,
        *,
        dry_run: Optional[bool] = None,
        keep_recent: Optional[int] = None,
        max_age: Optional[Duration] = None,
        approve: Optional[str] = None,
    ) -> Reply:
        """
        Runs a policy now, or plans it.

        :param policy: `completed`, `expired`, `failed`, or `trash`
        :param dry_run: plan only, and remove nothing
        :param keep_recent: for `completed`
        :param max_age: for `expired` and `failed`
        :param approve: the `plan_id` of a plan to apply exactly as it was shown
        :raises ApprovalRequiredError: there is no such plan
        """
        age = duration_text(max_age)
        body = given(dry_run=dry_run, keep_recent=keep_recent, max_age=age, approve=approve)
        return self._change("POST", f"/v1/cleanup/{encoded(policy)}", body)

    def get_cleanup_history(
        self,
        *,
        session_id: Optional[str] = None,
        limit: Optional[int] = None,
        cursor: Optional[str] = None,
    ) -> Reply:
        """One page of the removals by cleanup, newest first: `entries`, `next_cursor`."""
        return self._read("/v1/cleanup/history", given(session_id=session_id, limit=limit, cursor=cursor))

    def list_trash(self) -> Reply:
        """The removed sessions that can be restored, newest first: `entries`."""
        return self._read("/v1/trash")

    def restore_trash(self, session_id: str, *, trash_id: Optional[str] = None) -> Reply:
        """
        Restores a removed session: the one with this trash id, else the newest with this id.

        :raises SessionExistsError: there is a session with this id
        """
        path = f"/v1/trash/{encoded(session_id)}/restore"
        return self._change("POST", path, given(trash_id=trash_id))

    def empty_trash(self, *, older_than: Optional[Duration] = None) -> Reply:
        """Deletes sessions in the trash permanently, or only those that are in it for at least this long."""
        return self._change("DELETE", "/v1/trash", query=given(older_than=duration_text(older_than)))

    # Workers

    @overload
    def attach(
        self,
        session_id: str,
        *,
        shared: Literal[False] = False,
        worker: Optional[str] = None,
        on_pause: str = "hold",
        reconnect: float = 60.0,
    ) -> ExclusiveWorker: ...

    @overload
    def attach(
        self,
        session_id: str,
        *,
        shared: Literal[True],
        worker: Optional[str] = None,
        on_pause: str = "hold",
        reconnect: float = 60.0,
    ) -> SharedWorker: ...

    @overload
    def attach(
        self,
        session_id: str,
        *,
        shared: bool,
        worker: Optional[str] = None,
        on_pause: str = "hold",
        reconnect: float = 60.0,
    ) -> Union[ExclusiveWorker, SharedWorker]: ...

    def attach(
        self,
        session_id: str,
        *,
        shared: bool = False,
        worker: Optional[str] = None,
        on_pause: str = "hold",
        reconnect: float = 60.0,
    ) -> Union[ExclusiveWorker, SharedWorker]:
        """
        Attaches a worker to a session. Its open connection is its lease: if this process dies, the daemon
        sees it at once. Use the worker in a `with` block.

        :param shared: whether other shared workers may be attached at the same time, in any language. Each
            works on files of its own
        :param worker: a name of the worker, for people
        :param on_pause: what a loop over its files does while the session is paused: `hold` waits, `end` ends
        :param reconnect: how long to try to reconnect after a lost connection, in seconds
        :raises LeaseHeldError: another worker is attached
        :raises SessionNotFoundError: there is no session with this id
        """
        options = WorkerOptions(
            daemon=self.daemon,
            path=session_path(session_id),
            read=lambda action: self._read(session_path(session_id, action)),
            name=worker,
            on_pause=on_pause,
            timeout=self.timeout,
            reconnect=reconnect,
        )
        attached: Union[ExclusiveWorker, SharedWorker]
        attached = SharedWorker(options) if shared else ExclusiveWorker(options)
        attached.attach()
        return attached

    # The daemon

    def events(
        self,
        *,
        session: Union[None, str, Sequence[str]] = None,
        kind: Union[None, str, Sequence[str]] = None,
        since: Optional[str] = None,
        reconnect: float = 60.0,
    ) -> EventStream:
        """
        Follows the changes of sessions and workers, from now on or after the event `since`. After a lost
        connection it goes on after the last event. The first event without `since`, and any later one after
        which events may be missing, is a `reset`: list the sessions then, and the following events keep the
        list up to date.

        :param session: only events of these sessions
        :param kind: only events of these kinds; a `reset` comes in any case
        :param reconnect: how long to try to reconnect, in seconds; 0 does not try
        """
        target = f"/v1/events{query_text(given(session=session, kind=kind, since=since))}"
        return EventStream(self.daemon, target, timeout=self.timeout, reconnect=reconnect)

    def get_info(self) -> Reply:
        """Facts about the daemon: version, socket, store, numbers of sessions and workers."""
        return self._read("/v1/info")

    def get_health(self) -> Reply:
        """The health of the daemon and the problems that need attention, each with a hint."""
        answer = self._send(Request("GET", "/v1/health", repeatable=True))
        # If the storage has failed the status is 503, for simple monitors, but the body is the health.
        if answer.status == 503:
            reply = self._object_of(answer)
            if "problems" in reply:
                return reply
        return self._reply_of(answer)

    def reload(self) -> Reply:
        """Reloads the configuration file. :raises InvalidRequestError: it is bad; the old one stays"""
        return self._change("POST", "/v1/reload")

    def stop_daemon(self, *, force: Optional[bool] = None) -> Reply:
        """
        Stops a daemon that was started on demand. It may still answer for a moment.

        :param force: although workers are attached
        :raises LeaseHeldError: workers are attached
        """
        return self._change("POST", "/v1/stop", given(force=force))

    def get_open_api(self) -> Reply:
        """The API as an OpenAPI 3.1 document."""
        return self._read("/v1/openapi.json")
