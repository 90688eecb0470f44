"""Sessions of sessiond: they keep the state of long analyses, so that they survive interruption."""

from .attach import attach
from .client import Client
from .errors import DaemonUnreachableError, Issue, SessiondError, TimedOutError
from .exact_json import ExactDecimal, ExactFloat
from .for_each import Summary
from .manager import SessionManager
from .pacing import NotNow
from .session import Session, Status
from .shared_worker import SharedWorker
from .exclusive_worker import ExclusiveWorker
from .worker import Worker

__all__ = [
    "Client",
    "DaemonUnreachableError",
    "ExactDecimal",
    "ExactFloat",
    "ExclusiveWorker",
    "Issue",
    "NotNow",
    "Session",
    "SessionManager",
    "SessiondError",
    "SharedWorker",
    "Status",
    "Summary",
    "TimedOutError",
    "Worker",
    "attach",
]
