"""The import contracts of pyproject.toml hold, and each is shown to fail on a tree that breaks it."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.architecture.source import PACKAGES, ROOT, tracked_files

PYPROJECT = ROOT / "pyproject.toml"
CONTRACTS = {
    contract["id"]: contract["name"]
    for contract in tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
}

BREAKS = {
    # contract -> the import that breaks it, and the module it stands in
    "core-imports-no-part": ("cardcore/money.py", "import server.database"),
    "core-does-no-io": ("cardcore/ids.py", "import secrets"),
    "daemon-stands-alone": ("reader_daemon/messages.py", "import firmware_mocks.system"),
    "server-stands-alone": ("server/database.py", "import admin_web"),
    "web-calls-services": ("admin_web/__init__.py", "import sqlalchemy"),
    "mocks-speak-bytes": ("firmware_mocks/__init__.py", "import reader_daemon.protocols.osdp.panel"),
    "cards-prove-the-reader": ("firmware_mocks/__init__.py", "import cardcore.desfire"),
    "engines-do-no-io": ("reader_daemon/protocols/osdp/crypto.py", "import os"),
    "reader-box-needs-no-web": ("reader_daemon/settings.py", "import pydantic"),
    "transports-own-ports": ("reader_daemon/settings.py", "import serial"),
    "services-know-no-web": ("server/cards/service.py", "import fastapi"),
}


def check_contracts(folder: Path) -> str:
    """Return what the import linter says of the tree in `folder`, by the contracts of this project."""
    command = [
        str(Path(sys.executable).with_name("lint-imports")),
        "--no-logo",
        "--no-cache",
        "--config",
        str(PYPROJECT),
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def empty_copy(folder: Path) -> None:
    """Make the modules of the real tree in `folder`, all of them empty."""
    for path in tracked_files():
        if path.suffix == ".py" and path.parts[0] in PACKAGES:
            (folder / path.parent).mkdir(parents=True, exist_ok=True)
            (folder / path).touch()


@pytest.fixture(scope="module")
def broken_tree_report(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("broken")
    empty_copy(folder)
    for name, line in BREAKS.values():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "__init__.py").touch()
        with path.open("a") as module:
            module.write(line + "\n")
    (folder / "reader_daemon/protocols/osdp/panel.py").touch()
    return check_contracts(folder)


def test_the_tree_keeps_every_contract() -> None:
    report = check_contracts(ROOT)
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken." in report, report


def test_an_empty_tree_breaks_no_contract(tmp_path: Path) -> None:
    empty_copy(tmp_path)
    report = check_contracts(tmp_path)
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken." in report, report


@pytest.mark.parametrize("contract", CONTRACTS)
def test_the_contract_can_fail(contract: str, broken_tree_report: str) -> None:
    assert f"{CONTRACTS[contract]} BROKEN" in broken_tree_report, broken_tree_report
