"""`onecard reconcile`: hold a day's five equalities, closed or not, and list what differs.

The exit code is 1 if anything does.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import date
from functools import partial
from pathlib import Path
from uuid import UUID

from cardcore.ids import SiteId
from cardcore.money import yuan_text
from server.cli.books_texts import CAUSES, KINDS, Words
from server.cli.books_texts import REFUSALS as CLOSE_REFUSALS
from server.cli.close import chosen_language
from server.cli.opened import Opened, opened
from server.cli.signed_in import add_login, signed_in
from server.close import bank, findings
from server.close import run as closing
from server.close.bank import BankLine
from server.close.findings import FindingFilter, FindingRefusal
from server.close.models import OWNERS, Checked, CloseRefusal, Difference, Finding, FindingKind
from server.database import ReadSession
from server.reports.paging import MAX_PAGE, Page
from server.settings import Settings
from server.settlement.sheet_rows import Problem

_EQUAL = Words("everything is equal", "全部相符")
_MATCHED = Words("{count} lines matched", "已核对 {count} 笔")
_OWNER = Words("owner", "责任人")
REFUSALS = {
    FindingRefusal.NOT_ALLOWED: Words("this login may not do that", "该账号没有此权限"),
    FindingRefusal.NOT_FOUND: Words("there is no such finding", "没有这项差异"),
    FindingRefusal.SETTLED: Words("it is settled already", "该差异已处理"),
    FindingRefusal.EXPLANATION_MISSING: Words("an explanation is needed: --explain", "须填写说明：--explain"),
    FindingRefusal.TOO_LONG: Words("the explanation is too long", "说明过长"),
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("day", type=date.fromisoformat, nargs="?", help="a business day; left out: list open findings")
    parser.add_argument("--settle", type=UUID, default=None, metavar="ID", help="close one finding with --explain")
    parser.add_argument("--explain", default="", help="why the difference is understood")
    parser.add_argument(
        "--bank", type=Path, default=None, metavar="FILE", help="take in a bank's statement and match it"
    )
    parser.add_argument("--account", default="main", help="which bank account the statement is of")
    parser.add_argument("--json", action="store_true", help="print figures and differences as JSON")
    parser.add_argument("--language", default="", choices=["", "en", "zh-CN"], help="the machine's own when left out")
    parser.add_argument("--site", default="", help="the site's short name, where there are several")
    add_login(parser, required=False)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Compare, list or settle."""
    language = chosen_language(arguments)
    with opened(settings) as found:
        site = found.site(arguments.site)
        if arguments.settle is not None:
            return _settle(arguments, found, site, language)
        if arguments.bank is not None:
            return _take_in(arguments, found, site, language)
        if arguments.day is None:
            return _list(found, site, language)
        checked = closing.reconcile_day(found.database, found.system, site, arguments.day)
    if arguments.json:
        print(as_json(checked))
    else:
        print("\n".join(_line(one, language) for one in checked.differences) or _EQUAL.in_language(language))
    return 1 if checked.differences else 0


def _list(found: Opened, site: SiteId, language: str) -> int:
    """Print every open finding of the site, oldest first."""
    count = 0
    for number in range(1, MAX_PAGE + 1):
        page = found.database.read(partial(_page, site, number))
        for finding in page.rows:
            print(_open_line(finding, found, language))
        count += len(page.rows)
        if not page.has_next:
            break
    return 1 if count else 0


def _page(site: SiteId, number: int, session: ReadSession) -> Page[Finding]:
    return findings.find(session, site, FindingFilter(), number)


def _settle(arguments: argparse.Namespace, found: Opened, site: SiteId, language: str) -> int:
    staff = signed_in(arguments, found, site)
    if staff is None:
        return 1
    refusal = found.database.write(
        lambda session: findings.settle(session, found.system, site, arguments.settle, staff, arguments.explain)
    )
    if refusal is not None:
        print(f"onecard: {REFUSALS[refusal].in_language(language)}", file=sys.stderr)
    return 0 if refusal is None else 1


def _take_in(arguments: argparse.Namespace, found: Opened, site: SiteId, language: str) -> int:
    """Match a statement, and print what only one side has; a file with a mistake is refused whole."""
    read = bank.read_statement(arguments.bank.read_bytes())
    problems = [one for one in read if isinstance(one, Problem)]
    for one in problems:
        print(f"onecard: {arguments.bank}: row {one.row} {one.column}: {one.message}", file=sys.stderr)
    staff = None if problems else signed_in(arguments, found, site)
    if staff is None:
        return 1
    lines = [one for one in read if isinstance(one, BankLine)]
    held = found.database.write(
        lambda session: bank.take_in(session, found.system, site, arguments.account, lines, staff)
    )
    if isinstance(held, CloseRefusal):
        print(f"onecard: {CLOSE_REFUSALS[held].in_language(language)}", file=sys.stderr)
        return 1
    today = found.system.clock.now().date()
    print(_MATCHED.in_language(language).format(count=held.matched))
    for kind, side in (
        (FindingKind.BANK_THEIRS_ONLY, held.theirs_only),
        (FindingKind.BANK_OURS_ONLY, held.ours_only),
    ):
        for line in side:
            words = KINDS[kind].in_language(language)
            print(f"{words}: {line.day} {yuan_text(line.amount)} {line.subject} {line.note} ({line.age_days(today)} d)")
    return 1 if held.theirs_only or held.ours_only else 0


def as_json(checked: Checked) -> str:
    """Return figures and differences as one JSON document."""
    differences = [
        {"kind": one.kind, "subject": one.subject, "cause": one.cause, "owner": OWNERS[one.kind], "detail": one.detail}
        for one in checked.differences
    ]
    return json.dumps({"figures": checked.figures, "differences": differences}, ensure_ascii=False, sort_keys=True)


def _line(one: Difference, language: str) -> str:
    detail = ", ".join(f"{key} {value}" for key, value in one.detail.items() if value is not None)
    head = f"{KINDS[one.kind].in_language(language)}: {one.subject} ({detail})"
    owner = f"{_OWNER.in_language(language)}: {OWNERS[one.kind]}"
    return f"{head}\n  -> {CAUSES[one.cause].in_language(language)}; {owner}"


def _open_line(finding: Finding, found: Opened, language: str) -> str:
    kinds = {str(kind): words for kind, words in KINDS.items()}
    words = kinds.get(finding.kind, Words(finding.kind, finding.kind)).in_language(language)
    days = finding.age(found.system.clock.now()).days
    day = finding.business_day or finding.opened_at.date()
    return f"{finding.id}  {day}  {words}: {finding.subject}  {finding.owner}  {days} d"
