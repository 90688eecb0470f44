"""
What to do when a service says "not now": fewer calls at once, a growing wait, and when to give up. It knows
no file and no thread; the caller gives the times, in seconds of a clock that nobody sets.
"""

from __future__ import annotations

import math
import random
from typing import Dict, List, Optional

_FIRST_WAIT, _LONGEST_WAIT = 1.0, 300.0
_JITTER = 0.25
_ASKED_JITTER, _MOST_ASKED_JITTER = 0.05, 5.0
"""A named time is kept exactly, apart from a little jitter: several callers may have been told the same."""

MOST_REFUSALS = 20
"""A file that is refused so often while others succeed counts as failed."""


class NotNow(Exception):
    """
    What the work on a file raises in `for_each` when a service that it needs refuses for now. The file stays
    pending and comes again, and all work slows down.
    """

    retry_after: Optional[float]
    """How long the service asks to be left alone, in seconds; None if it names no time."""

    def __init__(self, message: str = "not now", *, retry_after: Optional[float] = None) -> None:
        """
        :param retry_after: seconds, such as those of a response's `Retry-After`; anything that is not more
            than 0 counts as no time
        """
        super().__init__(message)
        # Computed from what a service sent, it may be anything.
        is_time = isinstance(retry_after, (int, float)) and 0 < retry_after < math.inf
        self.retry_after = retry_after if is_time else None


class Pacing:
    """How many calls run at once, and when the next one may begin."""

    def __init__(self, at_most: int, max_defer: float) -> None:
        """
        :param at_most: the most calls at once
        :param max_defer: seconds without a success after which a refusal means giving up
        """
        self._at_most = at_most
        self._max_defer = max_defer
        self._running = 0
        self._window = float(at_most)
        """The most calls at once now, with a fraction."""
        self._wait_ends = -math.inf
        self._slow_downs = 0
        self._in_a_row = 0
        self._refused_since: Optional[float] = None
        self.is_given_up = False
        """Whether the service has refused for as long as the caller is willing to wait."""

    def starts_in(self, now: float) -> float:
        """Seconds until the next call may begin; infinite while as many run as may."""
        return math.inf if self._running >= int(self._window) else max(0.0, self._wait_ends - now)

    def begin(self) -> int:
        """A call begins now. What is returned is given to the method that tells its end."""
        self._running += 1
        return self._slow_downs

    def succeeded(self, call: int) -> None:
        """The service has done what the call asked for."""
        self._running -= 1
        self._in_a_row = 0
        self._refused_since = None
        # What began earlier says nothing of how much the service takes since then.
        if call == self._slow_downs:
            self._window = min(self._at_most, self._window + 1 / self._window)

    def failed(self, _call: int) -> None:
        """The call ended in an error of its own: the service took it, but that is no sign of health."""
        self._running -= 1

    def refused(self, call: int, now: float, retry_after: Optional[float]) -> None:
        """The service said "not now", and perhaps for how many seconds."""
        self._running -= 1
        if self._refused_since is None:
            self._refused_since = now
        # All calls that had begun when the service was full meet the same refusal.
        is_new = call == self._slow_downs
        if is_new:
            self._slow_downs += 1
            self._in_a_row += 1
            self._window = max(1.0, min(self._window, self._running + 1) / 2)
        if retry_after is not None:
            spread = min(retry_after * _ASKED_JITTER, _MOST_ASKED_JITTER)
            self._wait_until(now + retry_after + spread * random.random())
        elif is_new:
            growing = min(_FIRST_WAIT * 2.0 ** min(self._in_a_row - 1, 30), _LONGEST_WAIT)
            self._wait_until(now + growing * (1 + _JITTER * random.random()))
        self.is_given_up = self.is_given_up or now - self._refused_since >= self._max_defer

    def rested(self) -> None:
        """The caller was held: the time without a success begins anew."""
        self._refused_since = None

    def _wait_until(self, until: float) -> None:
        # At the end of the patience there is one more try.
        limit = math.inf if self._refused_since is None else self._refused_since + self._max_defer
        self._wait_ends = max(self._wait_ends, min(until, limit))


class RefusedFiles:
    """Counts how often a file was refused while others succeeded: then the file is the reason."""

    def __init__(self) -> None:
        self._successes = 0
        self._files: Dict[str, List[int]] = {}
        """Refusals that count, and the successes at the first and at the latest refusal."""

    def succeeded(self, file: str) -> None:
        self._successes += 1
        self._files.pop(file, None)

    def refused(self, file: str, is_other_left: bool) -> bool:
        """
        Returns whether the file is at fault. Once only refused files are left, no other can succeed any more:
        then it is enough that one did after the first refusal.
        """
        known = self._files.setdefault(file, [0, self._successes, self._successes])
        if known[0] == 0 or self._successes > known[2 if is_other_left else 1]:
            known[0] += 1
        known[2] = self._successes
        return known[0] >= MOST_REFUSALS
