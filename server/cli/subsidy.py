"""`onecard subsidy`: sheets of subsidies, meals, payroll and bank files, for approval; the monthly run."""

from __future__ import annotations

import argparse
import sys
from datetime import date, datetime
from pathlib import Path

from cardcore.ids import SiteId
from cardcore.money import Fen, parse_yuan, yuan_text
from server.approvals import service as approvals
from server.approvals.models import ApprovalRefusal
from server.approvals.texts import text_of as approval_text
from server.cli.close import chosen_language
from server.cli.opened import CLI_ACTOR, Opened, opened
from server.cli.signed_in import add_login, signed_in
from server.settings import Settings
from server.subsidies import batches, plans, repository
from server.subsidies.approved import BATCH_BOOK, BookBatch
from server.subsidies.batches import BatchKind, BatchView, Preview, Sheet
from server.subsidies.cells import MAX_SHEET_BYTES
from server.subsidies.plans import PlanRefusal
from server.subsidies.texts import lines_of, text_of

LISTED = 50
"""Batches of one list."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    take = actions.add_parser("import", help="check a sheet (XLSX or CSV) and ask another person to approve it")
    take.add_argument("file", type=Path)
    take.add_argument("--number", required=True, help="the batch's number; the same number never books twice")
    take.add_argument("--kind", default="subsidy", choices=[str(kind) for kind in BatchKind])
    take.add_argument("--total", default="", help="the control total in yuan (or meals), if the sheet has no 合计 line")
    take.add_argument("--reason", default="", help="what the approver reads; the file's name when left out")
    take.add_argument("--dry-run", action="store_true", help="only say what is right and wrong; write nothing")
    add_login(take, required=False)
    month = actions.add_parser("month", help="give this month's subsidies to all who have not got them")
    month.add_argument("month", help="the current month, as 2026-09: a guard against slips")
    actions.add_parser("list", help="list batches, the newest first")
    parser.add_argument("--language", default="", choices=["", "en", "zh-CN"], help="the machine's own when left out")
    parser.add_argument("--site", default="", help="the site's short name, where there are several")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Carry out one action."""
    with opened(settings) as found:
        site = found.site(arguments.site)
        match arguments.action:
            case "import":
                return _import(arguments, found, site)
            case "month":
                return _month(arguments, found, site)
            case _:
                return _list(found, site)


def _import(arguments: argparse.Namespace, found: Opened, site: SiteId) -> int:
    sheet = _sheet(arguments)
    if sheet is None:
        return 2
    if arguments.dry_run:
        seen = found.database.read(lambda session: batches.preview(session, site, sheet))
        return _tell(seen, sheet.kind, chinese=_chinese(arguments))
    if not arguments.login:
        print("onecard: say who does this: --as LOGIN (or --dry-run)", file=sys.stderr)
        return 2
    maker = signed_in(arguments, found, site)
    if maker is None:
        return 1
    made = found.database.write(lambda session: batches.draft(session, found.system, site, sheet, f"staff:{maker}"))
    if isinstance(made, Preview):
        return _tell(made, sheet.kind, chinese=_chinese(arguments))
    if made.state != "draft":  # taken in before, and decided: nothing is left to ask
        print(_line(made))
        return 0
    content = BookBatch(made.id, made.number, made.kind, made.lines, made.total, made.content_hash)
    reason = arguments.reason or sheet.source
    asked = found.database.write(
        lambda session: approvals.ask(session, found.system, site, maker, BATCH_BOOK, content, reason)
    )
    if isinstance(asked, ApprovalRefusal) and asked is not ApprovalRefusal.ALREADY_ASKED:
        print(f"onecard: {approval_text(asked, chinese=_chinese(arguments))}", file=sys.stderr)
        return 1
    print(_line(made))
    print(f"another person approves it: onecard approval approve batch:{made.number} --as LOGIN", file=sys.stderr)
    return 0


def _month(arguments: argparse.Namespace, found: Opened, site: SiteId) -> int:
    try:
        month = datetime.strptime(arguments.month, "%Y-%m").date()  # noqa: DTZ007 - a month has no zone
    except ValueError:
        print(f"onecard: {arguments.month!r} is no month: write it as 2026-09", file=sys.stderr)
        return 2
    ran = _run_month(found, site, month)
    if isinstance(ran, PlanRefusal):
        print(f"onecard: {text_of(ran, chinese=_chinese(arguments))}", file=sys.stderr)
        return 1
    for one in ran:
        print(f"{one.plan:<20} {one.given:>6} {one.total:>12} lapsed {one.lapsed} capped {one.capped}")
    return 0


def _run_month(found: Opened, site: SiteId, month: date) -> tuple[plans.MonthRun, ...] | PlanRefusal:
    return found.database.write(lambda session: plans.run_month(session, found.system, site, month, CLI_ACTOR))


def _list(found: Opened, site: SiteId) -> int:
    for row in found.database.read(lambda session: repository.batches(session, site, LISTED, 0)):
        print(_line(batches.view_of(row)))
    return 0


def _sheet(arguments: argparse.Namespace) -> Sheet | None:
    kind = BatchKind(arguments.kind)
    try:
        if arguments.file.stat().st_size > MAX_SHEET_BYTES:
            content = b"\0" * (MAX_SHEET_BYTES + 1)  # refused as too large, without reading it
        else:
            content = arguments.file.read_bytes()
        control = None
        if arguments.total:
            limit = Fen(10**13)
            control = Fen(int(arguments.total)) if kind is BatchKind.MEALS else parse_yuan(arguments.total, limit)
    except OSError as error:
        print(f"onecard: {arguments.file}: {error.strerror}", file=sys.stderr)
        return None
    except ValueError as error:
        print(f"onecard: --total: {error}", file=sys.stderr)
        return None
    return Sheet(arguments.number, kind, arguments.file.name[-batches.MAX_SOURCE :], content, control)


def _tell(seen: Preview, kind: BatchKind, *, chinese: bool) -> int:
    for line in lines_of(seen, chinese=chinese):
        print(line)
    amount = str(seen.total) if kind is BatchKind.MEALS else yuan_text(seen.total)
    print(f"{len(seen.lines)} {'行' if chinese else 'lines'}, {amount}")
    return 0 if seen.is_clean else 1


def _line(batch: BatchView) -> str:
    amount = str(batch.total) if batch.kind is BatchKind.MEALS else yuan_text(batch.total)
    return f"{batch.number:<24} {batch.kind:<8} {batch.state:<9} {batch.lines:>6} {amount:>14}"


def _chinese(arguments: argparse.Namespace) -> bool:
    return chosen_language(arguments).startswith("zh")
