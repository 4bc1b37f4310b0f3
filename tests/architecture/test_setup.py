"""Setting a machine up says what it does, and a step that cannot be done prints the command to type."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from tests.architecture.source import ROOT

DEBIAN_PACKAGES = [
    line.split()[0] for line in (ROOT / ".ci/apt-packages").read_text().splitlines() if not line.startswith("#")
]


def put_program(folder: Path, name: str, script: str) -> None:
    """Put a program into `folder` that stands in for the machine's own."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def set_up(folder: Path, goal: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the set-up for a virtual environment in `folder`, whose programs come before the machine's."""
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "VENV": str(folder / "venv"), **variables}
    return subprocess.run(
        [ROOT / ".ci/setup", goal],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_unknown_goal_shows_how_to_call_it(tmp_path: Path) -> None:
    done = set_up(tmp_path, "everything")
    assert done.returncode == 2
    assert ".ci/setup demo" in done.stderr


def test_a_machine_without_python_is_told_what_to_install(tmp_path: Path) -> None:
    done = set_up(tmp_path, "demo", PYTHON="python-that-is-not-there")
    assert done.returncode == 1
    assert "apt-get install python3 python3-venv" in done.stderr


def test_an_old_python_is_refused_by_name(tmp_path: Path) -> None:
    put_program(tmp_path, "python-old", 'if [ "$1" = --version ]; then echo Python 3.9.2; else exit 1; fi')
    done = set_up(tmp_path, "demo", PYTHON="python-old")
    assert done.returncode == 1
    assert "python-old is Python 3.9.2" in done.stderr


def test_a_step_that_fails_shows_why_and_prints_its_command(tmp_path: Path) -> None:
    put_program(tmp_path, "python-full-disk", 'if [ "$1" = -m ]; then echo No space left on device; exit 1; fi')
    done = set_up(tmp_path, "demo", PYTHON="python-full-disk")
    assert done.returncode == 1
    assert done.stdout.startswith("onecard: making the virtual environment")
    assert "No space left on device" in done.stderr
    assert f"cd {ROOT} && python-full-disk -m venv --clear {tmp_path}/venv" in done.stderr


def test_a_user_who_may_not_install_gets_the_command_for_the_administrator(tmp_path: Path) -> None:
    put_program(tmp_path, "dpkg-query", "exit 1")
    put_program(tmp_path, "id", "echo 1000")
    put_program(tmp_path, "sudo", "exit 1")
    done = set_up(tmp_path, "test")
    assert done.returncode == 1
    command = re.search(
        r"^  apt-get update && apt-get install -y --no-install-recommends (.*)$", done.stderr, re.MULTILINE
    )
    assert command is not None, done.stderr
    assert set(DEBIAN_PACKAGES) <= set(command[1].split())


def test_make_help_lists_every_goal_that_is_for_people() -> None:
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = set(re.findall(r"^  make ([a-z-]+)", done.stdout, re.MULTILINE))
    assert {"help", "setup", "demo", "test", "lint", "lock", "bench", "chaos", "clean"} <= listed
