"""`onecard backup`: make a backup, list them, try one by restoring it beside the database."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from server.backup import manifest, taking, trying
from server.backup.programs import BackupError
from server.cli.opened import opened
from server.settings import Settings
from server.system import real_system

MIB = 1024**2


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    actions.add_parser("make", help="make one; the default")
    actions.add_parser("list", help="list them, oldest first")
    verify = actions.add_parser("verify", help="restore one into a temporary database and look at its books")
    verify.add_argument("name", nargs="?", default="", help="which; the newest when left out")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Carry out one action."""
    try:
        match arguments.action:
            case "list":
                return _list(settings)
            case "verify":
                return _verify(chosen(settings, arguments.name))
            case _:
                return _make(settings)
    except BackupError as error:
        print(f"onecard: {error}", file=sys.stderr)
        return 1


def chosen(settings: Settings, name: str) -> Path:
    """Return the folder of a backup by name or path; the newest for an empty name. Raises BackupError."""
    if name:
        return Path(name) if "/" in name else settings.backups / name
    found = manifest.listed(settings.backups)
    if not found:
        msg = f"there is no backup in {settings.backups}; make one: onecard backup"
        raise BackupError(msg)
    return found[-1]


def _make(settings: Settings) -> int:
    with opened(settings) as found:
        folder = taking.take(settings, found.url, found.database, found.system)
    about = manifest.read(folder)
    print(f"{folder}: {about.kind}, {about.size_bytes // MIB} MiB, generation {about.generation[:8] or 'none'}")
    print("It counts once it was tried: onecard backup verify", file=sys.stderr)
    return 0


def _list(settings: Settings) -> int:
    for folder in manifest.listed(settings.backups):
        about, tried = manifest.read(folder), manifest.verified(folder)
        state = "not tried" if tried is None else f"tried {tried.at:%Y-%m-%d %H:%M} UTC"
        state += f", {len(tried.problems)} problems" if tried is not None and tried.problems else ""
        print(f"{about.name}  {about.kind:<5} {about.size_bytes // MIB:>6} MiB  schema {about.schema}  {state}")
    return 0


def _verify(folder: Path) -> int:
    result = trying.verify(folder, real_system())
    for problem in result.problems:
        print(f"onecard: {problem}", file=sys.stderr)
    print(
        f"{folder}: " + (f"{len(result.problems)} problems" if result.problems else "restored on trial, books balance")
    )
    return 1 if result.problems else 0
