"""Sessions of sessiond: they keep the state of long analyses, so that they survive interruption."""

from .client import Client
from .errors import DaemonUnreachableError, Issue, SessiondError, TimedOutError
from .exact_json import ExactDecimal, ExactFloat
from .manager import SessionManager
from .session import Session, Status

__all__ = [
    "Client",
    "DaemonUnreachableError",
    "ExactDecimal",
    "ExactFloat",
    "Issue",
    "Session",
    "SessionManager",
    "SessiondError",
    "Status",
    "TimedOutError",
]
