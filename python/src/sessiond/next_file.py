"""Which file a worker works on next: of a whole session, or of what it has claimed. No I/O and no lock."""

from __future__ import annotations

import time
from collections import deque
from typing import Deque, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple


class Reported(NamedTuple):
    """A report that is durable."""

    processed: Sequence[str]
    added: Sequence[str]
    revision: int


class WholeFiles:
    """The files of a session that a worker has for itself."""

    def __init__(self) -> None:
        self._pending: Deque[str] = deque()
        self._is_fresh: Dict[str, bool] = {}
        """All files of the session, and whether each is still to be handed out."""
        self._taken: Set[str] = set()
        """Files that were handed out and are not known to be durable."""
        self._acked: Optional[List[Reported]] = None
        """What became durable while the session is read; None while it is not."""

    @property
    def has_fresh(self) -> bool:
        """Whether files are left that were not handed out."""
        return bool(self._pending)

    def reading(self) -> None:
        """The session is about to be read: acks that come meanwhile may be newer."""
        self._acked = []

    def replace(self, processed: Iterable[str], pending: Iterable[str], revision: int) -> None:
        """The session was read."""
        acked, self._acked = self._acked or [], None
        self._is_fresh = dict.fromkeys(processed, False)
        self._pending.clear()
        for file in pending:
            self._is_fresh[file] = file not in self._taken
            self._pending.append(file)
        for report in acked:
            if report.revision > revision:
                self._apply(report)

    def next(self) -> Optional[str]:
        """The next file, which counts as taken; None if there is none."""
        while self._pending:
            file = self._pending.popleft()
            if self._is_fresh[file]:
                self._is_fresh[file] = False
                self._taken.add(file)
                return file
        return None

    def reported(self, report: Reported) -> None:
        """A report of this worker is durable."""
        self._taken.difference_update(report.processed)
        self._apply(report)
        if self._acked is not None:
            self._acked.append(report)

    def again(self, files: Iterable[str]) -> None:
        """These files were handed out, and nobody works on them any more."""
        for file in files:
            if file in self._taken:
                self._taken.discard(file)
                self._is_fresh[file] = True
                self._pending.append(file)

    def _apply(self, report: Reported) -> None:
        """As the daemon does: what is added again stays what it is."""
        for file in report.processed:
            self._is_fresh[file] = False
        for file in report.added:
            if file not in self._is_fresh:
                self._is_fresh[file] = True
                self._pending.append(file)


MOST_AHEAD = 1000
_MOST_A_CLAIM = 10_000
"""The daemon takes no claim of more files."""
_MEASURED_SECONDS = 1.0


class ClaimedFiles:
    """
    The files that a shared worker has claimed. It claims ahead what it finishes in about a second, and never
    more than its fair part of what is left.
    """

    def __init__(self) -> None:
        self._held: Deque[str] = deque()
        """Claimed, and not handed out."""
        self._taken: Dict[str, object] = {}
        """Handed out, and not known to be durable or given back."""
        self._left = 1
        self._workers = 1
        self._finished: Deque[float] = deque()
        """When files were finished in the last second."""
        self._is_claiming = False
        self.is_through = False
        """Whether nothing is pending any more, as last told."""

    @property
    def taken(self) -> Tuple[str, ...]:
        """Files that were handed out, and are not known to be durable."""
        return tuple(self._taken)

    @property
    def has_fresh(self) -> bool:
        """Whether there may be files that were not handed out."""
        return bool(self._held) or not self.is_through

    def attached(self, claimed: Iterable[str]) -> None:
        """What the lease has claimed, as the daemon says. A claim that was under way gets no other answer."""
        self._is_claiming = False
        self._held = deque(file for file in claimed if file not in self._taken)

    def claimed(self, message: Mapping[str, object]) -> None:
        """The answer to a claim."""
        files, left, workers = message.get("files"), message.get("left"), message.get("workers")
        self._is_claiming = False
        if isinstance(left, int) and isinstance(workers, int):
            self._left, self._workers = left, max(1, workers)
        if isinstance(files, list):
            self._held.extend(files)
            self.is_through = not files and left == 0

    def refused(self) -> None:
        """A claim was refused."""
        self._is_claiming = False

    def next(self) -> Optional[str]:
        """The next file, which counts as taken; None if none is here."""
        if not self._held:
            return None
        file = self._held.popleft()
        self._taken[file] = None
        return file

    def to_claim(self, waiting: int) -> int:
        """
        How many files to claim now, which then counts as under way; 0 for no claim.

        :param waiting: how many threads have nothing to do
        """
        if self._is_claiming:
            return 0
        fair = -(-self._left // self._workers)
        ahead = min(self._rate(), fair, MOST_AHEAD)
        missing = ahead - len(self._held) if len(self._held) <= ahead // 2 else 0
        count = max(missing, waiting - len(self._held))
        if count <= 0:
            return 0
        self._is_claiming = True
        return min(count, _MOST_A_CLAIM)

    def finished(self) -> None:
        """A file was finished, for the measure of how fast the worker is."""
        self._finished.append(time.monotonic())

    def reported(self, files: Iterable[str]) -> None:
        """These files are durable."""
        others = {file for file in files if self._taken.pop(file, self) is self}
        if not others.isdisjoint(self._held):
            self._held = deque(file for file in self._held if file not in others)

    def again(self, files: Iterable[str]) -> None:
        """These files were handed out, and nobody works on them any more."""
        self._held.extend([file for file in files if self._taken.pop(file, self) is not self])

    def kept(self, files: Iterable[str]) -> None:
        """These files were not given back after all."""
        self._held.extend(files)

    def too_many(self) -> List[str]:
        """Files to give back: more than the worker begins within about two seconds. They count as gone."""
        keep = 2 * self._rate()
        back = [self._held.pop() for _ in range(len(self._held) - keep)]
        return back[::-1]

    def _rate(self) -> int:
        """Files a second, at present."""
        start = time.monotonic() - _MEASURED_SECONDS
        while self._finished and self._finished[0] < start:
            self._finished.popleft()
        return len(self._finished)
