"""The check of workers finds nothing wrong with the worker of this package, whichever way it is used."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from conftest import ROOT

PROGRAM = """
import os, sys
from sessiond import Client
shared, way = sys.argv[1] == "shared", sys.argv[2]
with Client() as client, client.attach(os.environ["SESSIOND_SESSION"], shared=shared) as worker:
    if way == "for_each":
        worker.for_each(len, jobs=4)
    else:
        for file in worker:
            worker.report(file, len(file), wait=way == "wait")
"""


def test_the_check_finds_nothing_wrong() -> None:
    ways = [("exclusive", "for_each"), ("shared", "wait")]
    # All ways take long. CI tries them.
    ways += [("exclusive", "wait"), ("shared", "go on")] if "CI_RUN" in os.environ else []
    # They wait for most of the time, so they run beside each other.
    runs = [
        subprocess.Popen(
            ["node", str(ROOT / "dist/tools/check-worker.js"), *(["--shared"] if kind == "shared" else [])]
            + ["--", sys.executable, "-c", PROGRAM, kind, way],
            env={**os.environ, "PYTHONPATH": str(ROOT / "python/src")},
            stdout=subprocess.PIPE,
            text=True,
        )
        for kind, way in ways
    ]
    said = [(run.communicate()[0], run.returncode) for run in runs]
    for (kind, way), (text, status) in zip(ways, said):
        assert (status, "WRONG" in text) == (0, False), f"{kind}, {way}: {text}"
