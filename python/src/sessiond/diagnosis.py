"""
What is wrong with a session, in the words and shapes of the original module: also whether its files exist,
which the daemon does not look at.
"""

from __future__ import annotations

import os
from typing import Any, Dict, Optional, Tuple

from .client import Client
from .errors import SessionCorruptError, SessionDeletedError, SessionNotFoundError
from .session import Status

_ABSENT = (SessionNotFoundError, SessionDeletedError)
_NOT_FOUND = "Session not found"


def validity_of(client: Client, session_id: str) -> Tuple[bool, Optional[str]]:
    """Whether a session is valid, and what is wrong."""
    try:
        target_path = client.get_summary(session_id)["target_path"]
        findings = client.validate_session(session_id)["findings"]
    except _ABSENT:
        return False, _NOT_FOUND
    except SessionCorruptError as error:
        return False, str(error)
    problems = [
        _both_of(client, session_id) if finding["code"] == "processed_and_pending" else str(finding["message"])
        for finding in findings
    ]
    if not is_there(target_path):
        problems.insert(0, f"Target path does not exist: {target_path}")
    return (False, "; ".join(problems)) if problems else (True, None)


def _both_of(client: Client, session_id: str) -> str:
    session = client.get_session(session_id)
    processed = set(session["processed_files"])
    both = [file for file in session["pending_files"] if file in processed]
    return f"Files in both processed and pending: {', '.join(both)}"


def health_of(client: Client, session_id: str) -> Dict[str, Any]:
    """Whether a session exists and is valid, its counts, and which of its files are missing."""
    valid, error = validity_of(client, session_id)
    try:
        session = client.get_session(session_id)
    except (*_ABSENT, SessionCorruptError):
        return {"exists": False, "valid": False, "error": error or _NOT_FOUND}
    processed, pending = session["processed_files"], session["pending_files"]
    total = len(processed) + len(pending)
    return {
        "exists": True,
        "valid": valid,
        "error": error,
        "status": Status(session["status"]),
        "progress": len(processed) / total if total else 0.0,
        "processed_count": len(processed),
        "pending_count": len(pending),
        "missing_files": [file for file in [*processed, *pending] if not is_there(file)],
        "last_checkpoint": session["checkpoint_time"],
    }


def is_there(path: str) -> bool:
    """Whether there is a file or a directory at a path, seen from the working directory."""
    try:
        return os.path.exists(path)
    except ValueError:
        # A text such as one with a zero character is no path.
        return False
