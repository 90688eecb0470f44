"""JSON in Python: nothing is altered, and what JSON cannot hold is refused."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, List

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessiond import ExactDecimal, ExactFloat
from sessiond.exact_json import JsonError, parse_json, stringify_json

spellings = st.from_regex(r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,4})?", fullmatch=True)
texts = st.text(alphabet=st.characters(blacklist_categories=["Cs"]))
lone_surrogates = st.sampled_from(["\ud800", "a\udcff", "\udc00\ud800"])
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    texts,
    lone_surrogates,
)
values = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner), st.dictionaries(texts, inner)), max_leaves=12
)


def types_of(value: Any) -> Any:
    """The types in a value, in which 1, 1.0 and True differ although they are equal."""
    if isinstance(value, list):
        return [types_of(item) for item in value]
    if isinstance(value, dict):
        return {key: types_of(item) for key, item in value.items()}
    return type(value)


@settings(deadline=None)
@given(spellings)
def test_numbers_keep_their_spelling_and_value(spelling: str) -> None:
    number = parse_json(spelling)
    assert stringify_json(number).decode() == spelling
    if isinstance(number, int):
        assert number == int(spelling)
    elif isinstance(number, Decimal):
        assert number == Decimal(spelling)
    else:
        assert Decimal(repr(float(number))) == Decimal(spelling)


@settings(max_examples=30, deadline=None)
@given(values)
def test_values_come_back_with_their_types(value: Any) -> None:
    back = parse_json(stringify_json(value))
    assert back == value
    assert types_of(back) == types_of(value)
    assert json.loads(stringify_json(value)) == value


@pytest.mark.parametrize(
    ("spelling", "kind"),
    [
        ("85", int),
        ("85.0", float),
        ("2.118713766482637e+16", float),
        ("1e-7", ExactFloat),
        ("1E+2", ExactFloat),
        ("-0", ExactFloat),
        ("12345678901234567890123", int),
        ("0.1000000000000000055", ExactDecimal),
        ("1e400", ExactDecimal),
        ("9" * 5000, ExactDecimal),
    ],
)
def test_the_kind_of_a_number(spelling: str, kind: type) -> None:
    if kind is ExactDecimal and spelling.isdigit() and not hasattr(__import__("sys"), "get_int_max_str_digits"):
        kind = int
    number = parse_json(f'{{"n": [{spelling}]}}')["n"][0]
    assert type(number) is kind
    assert stringify_json([copy.deepcopy(number), pickle.loads(pickle.dumps(number))]) == (
        f"[{spelling},{spelling}]".encode()
    )


def test_exact_numbers_compute() -> None:
    price, weight = parse_json("[1E+2, 1e400]")
    assert price + 1 == 101.0 and type(price + 1) is float
    assert weight * 2 == Decimal("2e400")


def test_a_whole_number_of_any_size_is_written() -> None:
    assert len(stringify_json({"a": 10**5000})) == len('{"a":}') + 5001


class Depth(str, Enum):
    DEEP = "deep"


@dataclass
class Finding:
    file: Path
    depth: Depth
    found: datetime


def test_what_is_written_besides_plain_json() -> None:
    found = Finding(Path("a/b"), Depth.DEEP, datetime(2026, 1, 2, 3, 4, 5, 6, timezone.utc))
    assert parse_json(stringify_json({Path("a"): (found, Decimal("1.50")), 1: None, None: True, 2.5: 0})) == {
        "a": [{"file": "a/b", "depth": "deep", "found": "2026-01-02T03:04:05.000006+00:00"}, Decimal("1.50")],
        "1": None,
        "null": True,
        "2.5": 0,
    }


def test_what_json_cannot_hold_is_refused_with_its_place() -> None:
    endless: List[Any] = []
    endless.append(endless)
    for value, place in [
        ({"a": [1, float("nan")]}, r"a\[1\]"),
        ({"a": {"b": float("inf")}}, r"a\.b"),
        ({"a": Decimal("NaN")}, "a"),
        ({"a": "\ud83d" + "\ude00"}, "a"),
        ({"a": b"bytes"}, "bytes"),
        ({1: 0, "1": 0}, "two keys"),
        ({(1, 2): 0}, "tuple"),
        (endless, "too deep"),
    ]:
        with pytest.raises(JsonError, match=place):
            stringify_json(value)


@pytest.mark.parametrize("text", ["", "nul", "NaN", "[1", b"\xff", "[" * 100_000])
def test_what_is_no_json_is_refused(text: Any) -> None:
    with pytest.raises(JsonError):
        parse_json(text)
