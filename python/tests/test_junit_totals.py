"""The totals that the last line of .ci/run shows, from what pytest reports."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List

from junit_totals import totals_of

SUITE = """
import pytest
def test_passes(): pass
def test_fails(): assert False
@pytest.fixture
def bad_end():
    yield
    assert False
def test_fails_twice(bad_end): assert False
def test_ends_badly(bad_end): pass
@pytest.mark.skip
def test_skipped(): pass
@pytest.mark.parametrize("n", [1, 2])
def test_each(n): pass
"""


def counts(totals: Dict[str, Any]) -> List[int]:
    return [totals[key] for key in ("numPassedTests", "numFailedTests", "numPendingTests")]


def named(totals: Dict[str, Any]) -> List[str]:
    return [test["fullName"] for suite in totals["testResults"] for test in suite["assertionResults"]]


def test_each_test_counts_once(tmp_path: Path) -> None:
    (tmp_path / "test_suite.py").write_text(SUITE)
    (tmp_path / "test_broken.py").write_text("import nothing_of_this_name\n")
    report = tmp_path / "report.xml"
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junit-xml={report}"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
    )
    # Where a file cannot be imported, pytest runs no test at all.
    assert counts(totals_of(str(report))) == [0, 1, 0]
    (tmp_path / "test_broken.py").unlink()
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junit-xml={report}"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
    )
    totals = totals_of(str(report))
    assert counts(totals) == [3, 3, 1]
    assert sorted(set(named(totals))) == [f"test_suite {name}" for name in ("test_ends_badly", "test_fails", "test_fails_twice")]


def test_a_report_that_is_missing_is_a_failure(tmp_path: Path) -> None:
    program = Path(__file__).with_name("junit_totals.py")
    said = subprocess.run(
        [sys.executable, str(program), str(tmp_path / "missing.xml")], capture_output=True, check=True
    )
    totals = json.loads(said.stdout)
    assert (counts(totals), named(totals)) == ([0, 1, 0], ["the report"])
