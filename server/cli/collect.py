"""`onecard collect FILE`: take records that came on a stick, through the same tap service as an upload."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from cardcore.wire.journal_file import JournalFileError
from server.cli.opened import opened
from server.devices.collection import CollectionRefused, collect
from server.secrets_file import load_secrets
from server.settings import Settings


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the file."""
    parser.add_argument("file", type=Path, help="made on the box by: onecard-reader journal export FILE")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Collect a file; 1 when it was refused or a record needs a person."""
    with opened(settings) as found:
        secrets = load_secrets(settings.data_dir, found.system.ids)
        try:
            with arguments.file.open("rb") as file:
                done = collect(found.url, found.database, found.system, secrets, file.read)
        except (OSError, JournalFileError, CollectionRefused) as error:
            print(f"onecard: {arguments.file}: {error}", file=sys.stderr)
            return 1
    told = Counter(str(status) for _, status in done.statuses)
    print(f"{done.device}: {len(done.statuses)} records, " + ", ".join(f"{told[one]} {one}" for one in sorted(told)))
    return 1 if told.keys() - {"stored", "duplicate"} else 0
