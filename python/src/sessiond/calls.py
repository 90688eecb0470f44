"""How a call of the API is made: its path, query, conditions and body, and its reply."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Dict, Iterable, List, Mapping, Optional, TypeVar, Union, overload
from urllib.parse import quote, urlencode

from .connection import not_sessiond
from .errors import InvalidRequestError, InvalidSessionIdError
from .exact_json import JsonError, members_of, parse_json, stringify_json
from .transport import Answer, Request, Transport, refusal_of

Duration = Union[str, timedelta]
"""A text such as `30d`, or a timedelta."""


class Reply(Dict[str, Any]):
    """A reply of the daemon: a JSON object. Replies may have more keys in later versions."""

    etag: Optional[str] = None
    """
    The entity tag of the session's state that the reply describes, in its quotes, for `if_match`; None for
    replies that describe no state of one session.
    """


class Calls:
    """Makes calls over a transport, which threads may share."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def _read(self, path: str, query: Mapping[str, Any] = {}, headers: Mapping[str, str] = {}) -> Reply:
        return self._reply_of(self._send(Request("GET", path + query_text(query), None, headers, True)))

    def _change(
        self,
        method: str,
        path: str,
        body: Optional[Mapping[str, Any]] = None,
        headers: Mapping[str, str] = {},
        *,
        query: Mapping[str, Any] = {},
        repeatable: bool = False,
    ) -> Reply:
        try:
            written = None if body is None else stringify_json(body)
        except JsonError as error:
            raise InvalidRequestError(str(error)) from error
        target = path + query_text(query)
        return self._reply_of(self._send(Request(method, target, written, headers, repeatable)))

    def _transition(self, session_id: str, verb: str, reason: Optional[str]) -> Reply:
        return self._change("POST", session_path(session_id, verb), given(reason=reason))

    def _send(self, request: Request) -> Answer:
        return self._transport.request(request)

    def _succeeded(self, answer: Answer) -> Answer:
        if 200 <= answer.status < 300:
            return answer
        raise refusal_of(answer, self._transport.daemon.socket_path)

    def _reply_of(self, answer: Answer) -> Reply:
        return self._object_of(self._succeeded(answer))

    def _object_of(self, answer: Answer) -> Reply:
        try:
            value = parse_json(answer.body)
        except JsonError:
            value = None
        if not isinstance(value, dict):
            evidence = f"it answered with status {answer.status} and no JSON object"
            raise not_sessiond(self._transport.daemon.socket_path, evidence)
        reply = Reply(value)
        reply.etag = answer.headers.get("etag")
        return reply


def given(**arguments: Any) -> Dict[str, Any]:
    """The arguments that are not None."""
    return {name: value for name, value in arguments.items() if value is not None}


_Item = TypeVar("_Item")


@overload
def listed(items: None) -> None: ...


@overload
def listed(items: Iterable[_Item]) -> List[_Item]: ...


def listed(items: Optional[Iterable[_Item]]) -> Optional[List[_Item]]:
    """A list of files, None if there is none. :raises InvalidRequestError: it is one text"""
    if isinstance(items, (str, bytes)):
        raise InvalidRequestError("a list of files must be a list, not one text")
    return None if items is None else list(items)


def members(value: object) -> Dict[str, Any]:
    try:
        return members_of(value)
    except JsonError as error:
        raise InvalidRequestError(str(error)) from error


def duration_text(value: Optional[Duration]) -> Optional[str]:
    return f"{round(value.total_seconds() * 1000)}ms" if isinstance(value, timedelta) else value


def conditions(if_match: Optional[str], if_none_match: Optional[str] = None) -> Dict[str, str]:
    given = {"if-match": if_match, "if-none-match": if_none_match}
    return {name: tag for name, tag in given.items() if tag is not None}


def query_text(query: Mapping[str, Any]) -> str:
    pairs = [
        (key, text if isinstance(text, str) else str(text).lower())
        for key, value in query.items()
        for text in (value if isinstance(value, (list, tuple)) else [value])
    ]
    return f"?{urlencode(pairs)}" if pairs else ""


def session_path(session_id: object, action: str = "") -> str:
    path = f"/v1/sessions/{encoded(session_id)}"
    return f"{path}/{action}" if action else path


def encoded(part: object) -> str:
    if not isinstance(part, str) or part == "":
        raise InvalidSessionIdError(
            "a session id must not be empty" if part == "" else f"{part!r} is not a valid session id"
        )
    # Software that normalizes URLs would remove a part of one or two dots.
    if part in (".", ".."):
        return part.replace(".", "%2E")
    try:
        return quote(part, safe="")
    except UnicodeEncodeError as error:
        raise InvalidSessionIdError(f"{part!r} is not a valid session id") from error
