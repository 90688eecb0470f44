"""What a worker has said and the daemon has not answered yet. It sends nothing and takes no lock."""

from __future__ import annotations

from collections import deque
from typing import Callable, Deque, List, Optional, Sequence, Set

MOST_MESSAGES = 1000
MOST_BYTES = 8 * 1024 * 1024
"""Limits of what is outstanding, beyond which a worker waits before it says more."""


class Message:
    """A `progress` or a `release`, which an ack answers."""

    def __init__(
        self,
        kind: str,
        body: bytes,
        files: Sequence[str],
        done: Callable[["Message"], None],
    ) -> None:
        """
        :param body: the JSON object without `type` and `seq`; it has at least one key
        :param files: those that are processed or released
        :param done: called once, when it is durable or refused
        """
        self.kind = kind
        self.body = body
        self.files = files
        self.seq = 0
        self.is_sent = False
        """Whether the daemon may have it, from this connection or an earlier one."""
        self.is_answered = False
        self.revision: Optional[int] = None
        self.error: Optional[BaseException] = None
        self._done = done

    def line(self) -> bytes:
        """As it is sent, with the end of the line."""
        return b'{"type":"%s","seq":%d,%s\n' % (self.kind.encode("ascii"), self.seq, self.body[1:])

    def answer(self, *, revision: Optional[int] = None, error: Optional[BaseException] = None) -> None:
        """It is durable, or has failed."""
        self.is_answered = True
        self.revision, self.error = revision, error
        self._done(self)


class Outbox:
    """Messages in the order in which they were made: those that are sent and then those that wait."""

    def __init__(self) -> None:
        self._sent: Deque[Message] = deque()
        self._waiting: Deque[Message] = deque()
        self._bytes = 0

    @property
    def is_empty(self) -> bool:
        """Whether everything is answered."""
        return not self._sent and not self._waiting

    @property
    def has_room(self) -> bool:
        """Whether a worker may say more now."""
        return len(self._sent) + len(self._waiting) < MOST_MESSAGES and self._bytes < MOST_BYTES

    @property
    def has_waiting(self) -> bool:
        """Whether something was not sent yet on this connection."""
        return bool(self._waiting)

    def files(self, kind: str) -> Set[str]:
        """The files of all messages of a kind that are not answered."""
        messages = (*self._sent, *self._waiting)
        return {file for message in messages if message.kind == kind for file in message.files}

    def add(self, message: Message) -> None:
        self._waiting.append(message)
        self._bytes += len(message.body)

    def next(self) -> Optional[Message]:
        """The next message to send, which counts as sent; None if there is none."""
        if not self._waiting:
            return None
        message = self._waiting.popleft()
        message.is_sent = True
        self._sent.append(message)
        return message

    def acked(self, seq: int, revision: Optional[int]) -> None:
        """Everything up to `seq` is durable."""
        while self._sent and self._sent[0].seq <= seq:
            self._answer(self._sent.popleft(), revision=revision)

    def has_sent(self, seq: int) -> bool:
        """Whether a message with this seq waits for its answer."""
        return any(message.seq == seq for message in self._sent)

    def refused(self, seq: int, error: BaseException) -> bool:
        """One message was refused. Returns false if there is none with this seq."""
        for message in self._sent:
            if message.seq == seq:
                self._sent.remove(message)
                self._answer(message, error=error)
                return True
        return False

    def refuse_largest(self, error: BaseException) -> None:
        """The daemon found a message too large, and did not say which."""
        if self._sent:
            self.refused(max(self._sent, key=lambda message: len(message.body)).seq, error)

    def lost(self) -> None:
        """The connection is lost: everything is to be sent again, in the same order."""
        self._waiting.extendleft(reversed(self._sent))
        self._sent.clear()

    def durable(self, is_durable: Callable[[Message], bool], revision: Optional[int]) -> None:
        """Of what is to be sent again, some turned out to be durable."""
        again: List[Message] = []
        for message in self._waiting:
            if message.is_sent and is_durable(message):
                self._answer(message, revision=revision)
            else:
                again.append(message)
        self._waiting = deque(again)

    def fail(self, error_for: Callable[[Message], BaseException]) -> None:
        """Nothing will be answered any more."""
        self.lost()
        failed, self._waiting = self._waiting, deque()
        for message in failed:
            self._answer(message, error=error_for(message))

    def _answer(
        self, message: Message, *, revision: Optional[int] = None, error: Optional[BaseException] = None
    ) -> None:
        self._bytes -= len(message.body)
        message.answer(revision=revision, error=error)
