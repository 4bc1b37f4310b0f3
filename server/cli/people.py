"""`onecard people import`: people and their cards from an XLSX or CSV sheet; a dry run first, then all or nothing."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from server.cli.opened import CLI_ACTOR, opened
from server.people.import_rows import HEADERS
from server.people.importing import ImportReport, StaleReportError, dry_run, import_people
from server.settings import Settings
from server.subsidies.cells import MAX_SHEET_BYTES

USED_WRONGLY = 2


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    columns = ", ".join(f"{column} ({names[-1]})" for column, names in HEADERS.items())
    importing = actions.add_parser("import", help="import people", description=f"Columns, in any order: {columns}")
    importing.add_argument("file", type=Path, help="an XLSX or CSV file with a row of headers")
    importing.add_argument("--apply", metavar="SEAL", default="", help="do what the dry run with this seal said")
    parser.add_argument("--site", default="", help="the site's short name, where there are several")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Carry out one action."""
    try:
        with arguments.file.open("rb") as file:
            content = file.read(MAX_SHEET_BYTES + 1)
    except OSError as error:
        print(f"onecard: {arguments.file}: {error.strerror}", file=sys.stderr)
        return USED_WRONGLY
    with opened(settings) as found:
        site = found.site(arguments.site)
        if not arguments.apply:
            return _print(found.database.read(lambda session: dry_run(session, site, content)), is_done=False)
        try:
            report = found.database.write(
                lambda session: import_people(session, found.system, site, content, arguments.apply, CLI_ACTOR)
            )
        except StaleReportError:
            print("onecard: nothing was done: this is not what the dry run said. Make a new dry run", file=sys.stderr)
            return 1
        return _print(report, is_done=True)


def _print(report: ImportReport, *, is_done: bool) -> int:
    if report.file_problem:
        print(f"onecard: the file cannot be used: {report.file_problem}, row {report.file_row}", file=sys.stderr)
        return 1
    for row in report.rows:
        if row.action == "refused":
            print(f"row {row.row}: {row.column}: {row.problem} {row.value!r}", file=sys.stderr)
    counts = ", ".join(f"{count} {action}" for action, count in sorted(report.counts.items()) if action != "refused")
    if report.refused:
        print(f"onecard: {report.refused} rows are wrong; nothing was done", file=sys.stderr)
        return 1
    print(counts or "nothing to do")
    if not is_done:
        print(f"to do it, type the same command with: --apply {report.seal}")
    return 0
