"""README.md is true: its commands, with a package index that has nothing, and its programs."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, List

import pytest
from conftest import ROOT, RealDaemon, eventually
from test_on_demand import work

from sessiond import Client, SessionManager

README = (ROOT / "python" / "README.md").read_text()
PROGRAMS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)

__all__ = ["work"]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A virtual environment with the package, installed as the page says."""
    place = tmp_path_factory.mktemp("venv")
    shutil.copytree(
        ROOT / "python", place / "python", ignore=shutil.ignore_patterns("build", "*.egg-info", ".*", "tests")
    )
    commands = [line.split() for line in re.findall(r"^    (\S.*)$", README, re.MULTILINE)[:2]]
    assert commands == [["python3", "-m", "venv", "venv"], ["venv/bin/pip", "install", "./python"]]
    # The build backend is Debian's, so that nothing is fetched.
    offline = ["--no-index", "--no-build-isolation", "--disable-pip-version-check", "--quiet"]
    for command in (["/usr/bin/python3", *commands[0][1:], "--system-site-packages"], [*commands[1], *offline]):
        subprocess.run(command, cwd=place, check=True, timeout=100)
    return str(place / "venv" / "bin" / "python")


def test_the_package_that_is_installed(python: str) -> None:
    program = (
        "import sessiond, pathlib; p = pathlib.Path(sessiond.__file__).parent; "
        "print(p, (p / 'py.typed').exists())"
    )
    said = subprocess.check_output([python, "-c", program], text=True).split()
    assert Path(python).parents[1] in Path(said[0]).parents and said[1] == "True"


def test_the_loop_goes_on_where_it_was_killed(work: Path, python: str) -> None:
    (work / "src").mkdir()
    for number in range(300):
        (work / "src" / f"{number:03}.txt").write_text("line\n" * number)
    assert len([line for line in PROGRAMS[0].split("\n") if line.strip()]) == 10
    (work / "lines.py").write_text(PROGRAMS[0])
    done: List[int] = []
    with SessionManager(".sessions") as manager:
        for _ in range(3):
            process = subprocess.Popen([python, "lines.py"], cwd=work)
            before = done[-1] if done else 0
            eventually(lambda: processed(manager) > before or process.poll() is not None)
            process.send_signal(signal.SIGKILL)
            process.wait()
            done.append(processed(manager))
        assert 0 < done[0] < 300 and done == sorted(done)
        subprocess.run([python, "lines.py"], cwd=work, check=True, timeout=100)
        session = manager.load_session("lines")
    assert session.status == "completed" and session.pending_files == []
    assert session.partial_results == {f"src/{n:03}.txt": {"lines": n} for n in range(300)}
    assert json.loads((work / ".sessions" / "lines.json").read_text())["status"] == "completed"


def processed(manager: SessionManager) -> int:
    """How many files are done; 0 before the session was created."""
    exists = manager.session_exists("lines")
    return int(manager.client.get_summary("lines")["processed_count"]) if exists else 0


def test_the_program_that_follows_events(
    daemon: RealDaemon, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {**os.environ, "SESSIOND_SOCKET": daemon.socket_path, "PYTHONPATH": str(ROOT / "python/src")}
    name = client.create_session({"target_path": "src"})["session_id"]
    process: "subprocess.Popen[Any]" = subprocess.Popen(
        [sys.executable, "-u", "-c", PROGRAMS[1]], stdout=subprocess.PIPE, env=environment, text=True
    )
    with process:
        assert process.stdout is not None
        assert name in process.stdout.readline()
        assert process.stdout.readline() == "reset None\n"
        client.pause_session(name)
        assert process.stdout.readline() == f"session.status {name}\n"
        process.kill()


def test_the_page_names_every_method_of_the_manager() -> None:
    methods = [name for name, value in vars(SessionManager).items() if callable(value) and name[0] != "_"]
    assert len(methods) == 21
    assert [name for name in methods if f"`{name}(" not in README] == ["close"]
