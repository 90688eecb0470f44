"""How a loop slows down: the pure rules, with a clock of the test's own."""

from __future__ import annotations

import math
from typing import List, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessiond.pacing import MOST_REFUSALS, NotNow, Pacing, RefusedFiles


def test_a_refusal_halves_the_calls_at_once_and_successes_bring_them_back() -> None:
    pacing = Pacing(8, 1000)
    calls = [pacing.begin() for _ in range(8)]
    assert pacing.starts_in(0) == math.inf
    pacing.refused(calls.pop(), 0, None)
    assert 1 <= pacing.starts_in(0) <= 1.25 or pacing.starts_in(0) == math.inf
    for call in calls:
        pacing.succeeded(call)
    calls.clear()
    while pacing.starts_in(10) == 0:
        calls.append(pacing.begin())
    assert len(calls) == 4
    for _ in range(200):
        pacing.succeeded(calls.pop())
        while pacing.starts_in(10) == 0:
            calls.append(pacing.begin())
    assert len(calls) == 8


def test_refusals_of_calls_that_began_before_count_once_and_waits_grow() -> None:
    pacing = Pacing(4, 1e9)
    first = [pacing.begin() for _ in range(4)]
    for call in first:
        pacing.refused(call, 0, None)
    assert 1 <= pacing.starts_in(0) <= 1.25
    now = 0.0
    for times in range(1, 12):
        now += pacing.starts_in(now)
        pacing.refused(pacing.begin(), now, None)
        wait = min(2.0**times, 300)
        assert wait <= pacing.starts_in(now) <= wait * 1.25


@pytest.mark.parametrize("odd", [0, -1, math.nan, math.inf, "soon", None])
def test_a_time_that_makes_no_sense_is_none(odd: object) -> None:
    assert NotNow(retry_after=odd).retry_after is None  # type: ignore[arg-type]


def test_a_file_is_at_fault_only_if_others_succeed() -> None:
    files = RefusedFiles()
    assert not any(files.refused("a", True) for _ in range(100))
    verdicts = []
    for _ in range(MOST_REFUSALS):
        files.succeeded("b")
        verdicts.append(files.refused("a", True))
    assert verdicts.index(True) == MOST_REFUSALS - 2


@given(st.lists(st.tuples(st.sampled_from(["ok", "failed", "refused"]), st.floats(0, 50)), max_size=60))
def test_a_call_may_always_begin_sooner_or_later(ends: List[Tuple[str, float]]) -> None:
    pacing = Pacing(5, 1e9)
    now = 0.0
    calls: List[int] = []
    for end, asked in ends:
        while (delay := pacing.starts_in(now)) < math.inf and len(calls) < 5:
            assert delay <= 400
            now += delay
            calls.append(pacing.begin())
        assert calls, "at least one call may run at a time"
        call = calls.pop(0)
        if end == "ok":
            pacing.succeeded(call)
        elif end == "failed":
            pacing.failed(call)
        else:
            pacing.refused(call, now, asked or None)
        assert len(calls) <= 5
