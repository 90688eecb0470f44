"""Sessions of sessiond: they keep the state of long analyses, so that they survive interruption."""

from .client import Client
from .errors import DaemonUnreachableError, Issue, SessiondError, TimedOutError
from .exact_json import ExactDecimal, ExactFloat

__all__ = [
    "Client",
    "DaemonUnreachableError",
    "ExactDecimal",
    "ExactFloat",
    "Issue",
    "SessiondError",
    "TimedOutError",
]
