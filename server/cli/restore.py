"""`onecard restore`: put a backup in place, or end the waiting for devices after one."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from server.backup import service
from server.backup.programs import BackupError
from server.backup.restoring import restore
from server.cli.backup import chosen
from server.cli.opened import CLI_ACTOR, opened
from server.settings import Settings
from server.system import real_system


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("name", nargs="?", default="", help="name or folder of the backup; the newest when left out")
    parser.add_argument("--give-up", default="", metavar="GENERATION", help="set aside the database of this generation")
    parser.add_argument("--wal", type=Path, help="replay the archived log of this folder after the backup")
    parser.add_argument(
        "--begin", type=_instant, metavar="INSTANT",
        help="restore nothing: a database of your own was restored by your own means from a copy of this instant (UTC)",
    )  # fmt: skip
    parser.add_argument(
        "--release", metavar="WHY", default="", help="restore nothing: begin to grant although devices are missing"
    )


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Restore or release."""
    try:
        if arguments.begin:
            return _begin(arguments, settings)
        return _release(arguments, settings) if arguments.release else _restore(arguments, settings)
    except BackupError as error:
        print(f"onecard: {error}", file=sys.stderr)
        return 1


def _restore(arguments: argparse.Namespace, settings: Settings) -> int:
    folder = chosen(settings, arguments.name)
    done = restore(settings, folder, real_system(), give_up=arguments.give_up, wal=arguments.wal)
    through = f"{done.complete_through:%Y-%m-%d %H:%M:%S} UTC" if done.complete_through else "its beginning"
    print(f"restored {folder.name}, complete through {through}, generation {done.generation[:8]}")
    if done.set_aside is not None:
        print(f"the database that was there is in {done.set_aside}")
    print(
        "Start the server: devices send their records again. Nothing is granted online until they have returned; "
        "onecard doctor says for whom it waits.",
        file=sys.stderr,
    )
    return 0


def _begin(arguments: argparse.Namespace, settings: Settings) -> int:
    with opened(settings) as found:
        made_at = arguments.begin
        new = found.database.write(lambda session: service.begin_restored(session, found.system, made_at))
    print(f"generation {new[:8]}; start the server: devices send their records again")
    return 0


def _instant(words: str) -> datetime:
    found = datetime.fromisoformat(words)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


def _release(arguments: argparse.Namespace, settings: Settings) -> int:
    with opened(settings) as found:
        why = arguments.release
        missing = found.database.write(lambda session: service.release(session, found.system, CLI_ACTOR, why))
    if missing is None:
        print("onecard: nothing was restored, or it was released already", file=sys.stderr)
        return 1
    print("released" + (f" without {', '.join(missing)}: look at cards they blocked" if missing else ""))
    return 0
