"""Sessions of sessiond from Python: they keep the state of long analyses, so that they survive interruption."""

from .errors import DaemonUnreachableError, Issue, SessiondError, TimedOutError
from .exact_json import ExactDecimal, ExactFloat

__all__ = [
    "DaemonUnreachableError",
    "ExactDecimal",
    "ExactFloat",
    "Issue",
    "SessiondError",
    "TimedOutError",
]
