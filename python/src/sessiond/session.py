"""What a session is in Python: its statuses, its fields, and how a document becomes a state and back."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime, timedelta, timezone
from enum import Enum
from typing import Any, Callable, Dict, List, Mapping, Optional, Set

from .calls import members


class Status(str, Enum):
    """The status of a session. It is equal to its text."""

    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"

    def __str__(self) -> str:
        return self.value


@dataclass
class Session:
    """A session as it was when it was loaded. `save_session` keeps keys of the document that are not here."""

    session_id: str
    status: Status
    config: Dict[str, Any]
    processed_files: List[str]
    pending_files: List[str]
    partial_results: Dict[str, Any]
    checkpoint_time: datetime
    """The time of the last activity, with its offset."""
    created_time: Optional[datetime] = None
    generation: Optional[str] = None
    """New for each creation: tells a session from an earlier one of the same id."""
    revision: Optional[int] = None
    """Grows with every change."""
    labels: Optional[Dict[str, str]] = None
    pinned: Optional[bool] = None
    """Whether cleanup must keep it."""
    status_reason: Optional[str] = None
    run: Any = None
    """What `sessionctl run` remembers."""


_counted_by_daemon = ("generation", "revision")
_optional = ("created_time", "labels", "pinned", "status_reason", "run")
_optional_in_config = (
    "file_patterns",
    "exclude_patterns",
    "coding_standards",
    "analysis_depth",
    "enable_parallel",
)


def state_of(document: Mapping[str, Any], model: Callable[..., Any]) -> Any:
    """
    What a model makes of a document. It gets the keys that it takes, times as datetimes, the status as text.

    :raises ValueError: the model does not take it, or a time is none that Python knows
    """
    values = dict(document)
    for key in ("checkpoint_time", "created_time"):
        if isinstance(values.get(key), str):
            values[key] = parse_time(values[key])
    if model is Session:
        values["status"] = Status(values["status"])
    names = _names_that(model)
    return model(**{key: value for key, value in values.items() if names is None or key in names})


def config_of(config: object) -> Dict[str, Any]:
    """A configuration as the daemon takes it: of a mapping, a model, a dataclass, or a target path."""
    if isinstance(config, str) or hasattr(config, "__fspath__"):
        return {"target_path": config}
    return _without_none(members(config), _optional_in_config)


def saved_document(state: object, stored: Optional[Mapping[str, Any]]) -> Dict[str, Any]:
    """
    The document to save for a state: with the keys of the stored document that the state does not know, of
    its configuration too. None for a key that a document need not have is not known.

    :param state: a session, or a mapping, a model or a dataclass with its fields
    """
    known = _without_none(members(state), _optional)
    kept = dict(stored or {})
    for key in _counted_by_daemon:
        known.pop(key, None)
    if known.get("config") is not None:
        before = kept.get("config")
        known["config"] = {**(before if isinstance(before, dict) else {}), **config_of(known["config"])}
    for key in ("checkpoint_time", "created_time"):
        if isinstance(known.get(key), datetime) and _is_spelling_of(kept.get(key), known[key]):
            known[key] = kept[key]
    return {**kept, **known}


def status_of(status: object) -> Status:
    """The status that an enum or a text names. :raises ValueError: it is none of the four"""
    return Status(status.value if isinstance(status, Enum) else status)


_time = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,6}))?)?(Z|[+-]\d\d(?::?\d\d)?)",
    re.IGNORECASE,
)


def parse_time(text: str) -> datetime:
    """Reads ISO 8601 with an offset. :raises ValueError: for any other text"""
    match = _time.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no time with an offset")
    *parts, fraction, offset = match.groups()
    zone = timezone.utc
    if offset.upper() != "Z":
        digits = offset[1:].replace(":", "").ljust(4, "0")
        ahead = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
        zone = timezone(-ahead if offset[0] == "-" else ahead)
    year, month, day, hour, minute, second = (int(part or 0) for part in parts)
    return datetime(year, month, day, hour, minute, second, int((fraction or "").ljust(6, "0")), zone)


def _is_spelling_of(text: object, time: datetime) -> bool:
    """Whether a text says this time with this offset, however it is spelled."""
    try:
        read = parse_time(text) if isinstance(text, str) else None
    except ValueError:
        return False
    return read is not None and read.isoformat() == time.isoformat()


def _without_none(values: Dict[str, Any], keys: Any) -> Dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None or key not in keys}


def _names_that(model: Any) -> Optional[Set[str]]:
    """The keys that a model takes; None if it takes any."""
    if hasattr(model, "model_fields"):
        takes_any = getattr(model, "model_config", {}).get("extra") == "allow"
        taken = model.model_fields
    elif hasattr(model, "__fields__"):
        takes_any = getattr(getattr(model, "__config__", None), "extra", None) == "allow"
        taken = model.__fields__
    elif is_dataclass(model):
        return {field.name for field in fields(model) if field.init}
    else:
        return _parameters_of(model)
    if takes_any:
        return None
    aliases = {getattr(field, "alias", None) for field in taken.values()}
    return {*taken, *(alias for alias in aliases if isinstance(alias, str))}


def _parameters_of(function: Callable[..., Any]) -> Optional[Set[str]]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        # A builtin type such as dict says nothing.
        return None
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters):
        return None
    return {parameter.name for parameter in parameters}
