"""Prints the totals of a JUnit report as those of the other suites: junit_totals.py FILE"""

from __future__ import annotations

import json
import sys
from typing import Any, Dict, List
from xml.etree import ElementTree


def totals_of(path: str) -> Dict[str, Any]:
    """
    Counts tests, each once: one that fails, and again while it is taken down, is one. A report that cannot be
    read is a failure. What failed is named, with its messages.
    """
    worst: Dict[str, int] = {}
    failed: List[Dict[str, Any]] = []
    try:
        for case in ElementTree.parse(path).iter("testcase"):
            name = f"{case.get('classname')} {case.get('name')}"
            kinds = {part.tag for part in case}
            rank = 2 if kinds & {"failure", "error"} else 1 if "skipped" in kinds else 0
            worst[name] = max(rank, worst.get(name, 0))
            if rank == 2:
                messages = [f"{part.get('message')}\n{part.text}" for part in case if part.tag in ("failure", "error")]
                failed.append({"status": "failed", "fullName": name, "failureMessages": messages})
    except (OSError, ElementTree.ParseError) as error:
        print(f"{path}: {error}", file=sys.stderr)
        worst["the report"] = 2
        failed.append({"status": "failed", "fullName": "the report", "failureMessages": [str(error)]})
    ranks = list(worst.values())
    totals = {"numPassedTests": ranks.count(0), "numFailedTests": ranks.count(2), "numPendingTests": ranks.count(1)}
    return {**totals, "testResults": [{"name": path, "assertionResults": failed}]}


if __name__ == "__main__":
    print(json.dumps(totals_of(sys.argv[1])))
