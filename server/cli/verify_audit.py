"""`onecard verify-audit`: an exported audit log against the server's public key; needs no server and no database."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from server.audit.verification import AuditReport, verify_export
from server.settings import Settings

KEY_HEX_CHARACTERS = 64
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("file", type=Path, help="what `onecard audit export` wrote")
    parser.add_argument("--key", required=True, help="the server's public key, 64 hex digits: onecard audit key")
    parser.add_argument(
        "--known", type=Path, action="append", default=[],
        help="a checkpoint that was kept elsewhere, e.g. by `onecard-reader witness show`; may be given again",
    )  # fmt: skip
    parser.add_argument("--quorum", type=int, default=0, help="witnesses that must have signed the newest checkpoint")


def run(arguments: argparse.Namespace, _settings: Settings) -> int:
    """Print every difference and what is proven; return 1 when there is a difference."""
    try:
        key = bytes.fromhex(arguments.key)
        known = [path.read_text(encoding="utf-8") for path in arguments.known]
        with arguments.file.open("rb") as file:
            report = verify_export(file, key, known)
    except (OSError, ValueError) as error:
        print(f"onecard: {error}", file=sys.stderr)
        return 2
    for difference in report.differences:
        print(f"DIFFERENCE  {difference}")
    _print_proven(report)
    lacks = report.cosigned < arguments.quorum
    if lacks:
        print(f"DIFFERENCE  {report.cosigned} witnesses signed, {arguments.quorum} are wanted")
    return 1 if report.differences or lacks else 0


def _print_proven(report: AuditReport) -> None:
    print(f"{report.leaves} rows and {report.checkpoints} checkpoints read; {report.unsealed} rows were not sealed yet")
    if report.proven is None:
        print("nothing is proven: no checkpoint holds")
        return
    at = _EPOCH + timedelta(milliseconds=report.proven.at_ms)
    print(f"proven: the first {report.proven.size} rows, sealed {at:%Y-%m-%d %H:%M:%S} UTC")
    print(f"witnesses: {report.cosigned} of {report.witnesses} devices signed the first {report.cosigned_size} rows")
