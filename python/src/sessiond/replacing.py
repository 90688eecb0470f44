"""
Putting a session in the place of another: creating one over one that exists, and saving one with what is kept
of the stored document. No moment is without the session, except that it may be in the trash.
"""

from __future__ import annotations

import logging
from typing import Any, Dict, List, Optional

from .calls import Reply, members
from .client import Client
from .errors import (
    DaemonUnreachableError,
    RevisionMismatchError,
    SessionCorruptError,
    SessionDeletedError,
    SessiondError,
    SessionExistsError,
    SessionNotFoundError,
)
from .session import saved_document

ATTEMPTS = 20
"""How often a change is tried that others keep from being made by changes of their own."""

_ABSENT = (SessionNotFoundError, SessionDeletedError)
_log = logging.getLogger("sessiond")


def create_over(client: Client, session_id: str, config: Dict[str, Any], files: List[object]) -> Reply:
    """
    Creates a session. One that has this id goes to the trash first, or to quarantine if it cannot be read. If
    the new one cannot be created then, the old one comes back.
    """

    def create() -> Reply:
        return client.create_session(config, session_id=session_id, pending_files=files)

    for _ in range(ATTEMPTS):
        try:
            return create()
        except SessionExistsError:
            # The daemon has found nothing wrong with the new session.
            pass
        except SessionCorruptError:
            client.recover_session(session_id)
        try:
            trash_id = client.delete_session(session_id)["trash_id"]
        except _ABSENT:
            continue
        except SessionCorruptError:
            client.recover_session(session_id)
            continue
        try:
            return create()
        except (SessionExistsError, SessionCorruptError):
            # Somebody else was faster.
            continue
        except BaseException:
            _bring_back(client, session_id, trash_id)
            raise
    raise SessionExistsError(f"others create the session {session_id!r} all the time")


def _bring_back(client: Client, session_id: str, trash_id: str) -> None:
    try:
        client.restore_trash(session_id, trash_id=trash_id)
    except SessiondError as error:
        _log.warning("the session %r is in the trash as %s: %s", session_id, trash_id, error)


def save_over(client: Client, state: object) -> None:
    """Saves a state, with the keys of the stored document that the state does not know."""
    session_id = members(state).get("session_id")
    was_cut = False
    for _ in range(ATTEMPTS):
        try:
            stored = _stored(client, session_id)
            document = saved_document(state, stored)
            if stored is None:
                client.save_session(document, if_none_match="*")
            else:
                client.save_session(document, if_match=stored.etag)
            return
        except RevisionMismatchError:
            # Somebody changed it meanwhile, and may have added keys.
            continue
        except DaemonUnreachableError as error:
            # To save the same state twice does no harm.
            if was_cut or error.reason != "closed":
                raise
            was_cut = True
    raise RevisionMismatchError(f"others change the session {session_id!r} all the time")


def _stored(client: Client, session_id: Any) -> Optional[Reply]:
    try:
        return client.get_session(session_id)
    except _ABSENT:
        return None
    except SessionCorruptError:
        # The document is kept in quarantine. Its newest backup may take its place, and is replaced.
        client.recover_session(session_id)
    try:
        return client.get_session(session_id)
    except _ABSENT:
        return None
