"""
JSON that is never altered (RFC 8259). Numbers keep their type and spelling, and a value that JSON cannot hold
exactly is refused.

Integers are `int` of any size. Other numbers are `float` where a float holds the value, and `Decimal` where
none does. A number that Python would spell in another way, such as 1E+2 or 1e-7, is an `ExactFloat` or an
`ExactDecimal`: it computes as a `float` or a `Decimal`, and is written again as it was read.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any, Dict, Mapping, Optional, Sequence, Union
from uuid import UUID


class JsonError(ValueError):
    """A text that is no JSON, or a value that JSON cannot hold exactly."""


class ExactFloat(float):
    """A float that was read in a spelling that is not Python's own. Computing gives plain floats."""

    spelling: str
    """As it was read."""

    def __new__(cls, spelling: str) -> "ExactFloat":
        number = super().__new__(cls, spelling)
        number.spelling = spelling
        return number

    def __getnewargs__(self) -> Any:
        return (self.spelling,)


class ExactDecimal(Decimal):
    """A number that no float holds, in the spelling in which it was read. Computing gives plain decimals."""

    spelling: str
    """As it was read."""

    def __new__(cls, spelling: str) -> "ExactDecimal":
        number = super().__new__(cls, spelling)
        number.spelling = spelling
        return number

    def __reduce__(self) -> Any:
        return (ExactDecimal, (self.spelling,))

    def __copy__(self) -> "ExactDecimal":
        return self

    def __deepcopy__(self, memo: Any) -> "ExactDecimal":
        return self


def parse_json(text: Union[str, bytes]) -> Any:
    """
    Reads JSON.

    :raises JsonError: for a text that is no JSON
    """
    try:
        decoded = text if isinstance(text, str) else text.decode("utf-8")
        return json.loads(
            decoded, parse_float=_real, parse_int=_whole, parse_constant=_constant, strict=True
        )
    except (ValueError, RecursionError) as error:
        raise JsonError(f"no JSON: {error}") from error


def _real(spelling: str) -> Union[float, Decimal]:
    number = float(spelling)
    if repr(number) == spelling:
        return number
    is_held = math.isfinite(number) and Decimal(repr(number)) == Decimal(spelling)
    return ExactFloat(spelling) if is_held else ExactDecimal(spelling)


def _whole(spelling: str) -> Union[int, float, Decimal]:
    if spelling == "-0":
        return ExactFloat(spelling)
    try:
        return int(spelling)
    except ValueError:
        # Python may refuse to convert thousands of digits (sys.set_int_max_str_digits).
        return ExactDecimal(spelling)


def _constant(spelling: str) -> Any:
    raise JsonError(f"{spelling} is not JSON")


def stringify_json(value: object) -> bytes:
    """
    Writes a value as JSON, in ASCII. Besides what `json` takes, it takes any mapping, dataclasses, pydantic
    models, enums, decimals, times, paths and UUIDs. Keys that are no strings become strings as in `json`.

    :raises JsonError: for a value that JSON cannot hold exactly, with its place
    """
    try:
        return _written(value, "").encode("ascii")
    except RecursionError as error:
        raise JsonError("a value is nested too deep, or contains itself") from error


_encode_plain = json.JSONEncoder(allow_nan=False, check_circular=False, separators=(",", ":")).encode
_plain_kinds = frozenset((str, int, float, bool, type(None)))
_torn_pair = re.compile("[\ud800-\udbff][\udc00-\udfff]")


def _written(value: object, place: str) -> str:
    if isinstance(value, Enum):
        return _written(value.value, place)
    if isinstance(value, str):
        return _string(value, place)
    if value is None or isinstance(value, bool):
        return "null" if value is None else "true" if value else "false"
    if isinstance(value, (ExactFloat, ExactDecimal)):
        return value.spelling
    if isinstance(value, int):
        # Python may refuse to write thousands of digits; a decimal has no such limit.
        return str(Decimal(int(value)))
    if isinstance(value, (float, Decimal)):
        return _number(value, place)
    if isinstance(value, (list, tuple)):
        return _array(value, place)
    if isinstance(value, Mapping):
        return _object(value, place)
    if isinstance(value, (date, datetime)):
        return _string(value.isoformat(), place)
    if isinstance(value, (PurePath, UUID)):
        return _string(str(value), place)
    return _object(members_of(value), place)


def _string(text: str, place: str) -> str:
    escaped = _encode_plain(text)
    # Two halves of a surrogate pair would be read as one character.
    if "\\ud" in escaped and _torn_pair.search(text):
        raise JsonError(f"{_at(place)} holds both halves of a surrogate pair apart, which JSON would join")
    return escaped


def _number(number: Union[float, Decimal], place: str) -> str:
    if not (number.is_finite() if isinstance(number, Decimal) else math.isfinite(number)):
        raise JsonError(f"{_at(place)} is {number}, which JSON cannot hold")
    return str(number) if isinstance(number, Decimal) else float.__repr__(number)


def _array(items: Sequence[Any], place: str) -> str:
    if _plain_kinds.issuperset(map(type, items)):
        quick = _quick(items)
        if quick is not None:
            return quick
    return f"[{','.join(_written(item, f'{place}[{at}]') for at, item in enumerate(items))}]"


def _object(members: Mapping[Any, Any], place: str) -> str:
    if all(type(key) is str for key in members) and _plain_kinds.issuperset(map(type, members.values())):
        quick = _quick(members if type(members) is dict else dict(members))
        if quick is not None:
            return quick
    pairs: Dict[str, str] = {}
    for key, member in members.items():
        name = _key(key, place)
        within = f"{place}.{name}" if place else name
        quoted = _string(name, within)
        if quoted in pairs:
            raise JsonError(f"{_at(place)} has two keys that become {quoted} in JSON")
        pairs[quoted] = _written(member, within)
    return f"{{{','.join(f'{name}:{member}' for name, member in pairs.items())}}}"


def _quick(value: object) -> Optional[str]:
    """As the encoder of Python writes it in one go; None if each part must be looked at."""
    try:
        text = _encode_plain(value)
    except ValueError:
        return None
    return None if "\\ud" in text else text


def _key(key: object, place: str) -> str:
    if isinstance(key, Enum):
        return _key(key.value, place)
    if isinstance(key, str):
        return str.__str__(key)
    if key is None or isinstance(key, (bool, int, float, Decimal)):
        return _written(key, place)
    if isinstance(key, (PurePath, UUID)):
        return str(key)
    raise JsonError(f"{_at(place)} has a key that is no string: {_shown(key)}")


def members_of(value: object) -> Dict[str, Any]:
    """
    The members of a mapping, a pydantic model (version 1 or 2) or a dataclass.

    :raises JsonError: for anything else
    """
    if isinstance(value, Mapping):
        return {_key(key, ""): member for key, member in value.items()}
    kind: Any = type(value)
    if callable(getattr(kind, "model_dump", None)):
        return dict(kind.model_dump(value))
    if hasattr(kind, "__fields__") and callable(getattr(kind, "dict", None)):
        return dict(kind.dict(value))
    if is_dataclass(kind):
        return {field.name: getattr(value, field.name) for field in fields(kind)}
    raise JsonError(f"{_shown(value)} is nothing that JSON can hold")


def _at(place: str) -> str:
    return place or "the value"


def _shown(value: object) -> str:
    return f"a value of the type {type(value).__name__}"
