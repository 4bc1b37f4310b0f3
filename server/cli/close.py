"""`onecard close`: close business days, sign them, lock and reopen. Exit code 1 when something was refused."""

from __future__ import annotations

import argparse
import os
import sys
from datetime import date

from cardcore.ids import SiteId, StaffId
from cardcore.money import Fen, yuan_text
from server.cli.books_texts import KINDS, REFUSALS, Words
from server.cli.opened import Opened, opened
from server.cli.signed_in import add_login, signed_in
from server.close import months, service
from server.close import run as closing
from server.close.models import CloseRefusal, DayClose, FindingKind
from server.settings import Settings

_HEAD = Words("{day}  closed  {charges} charges  {net}", "{day}  已结账  {charges} 笔  净额 {net}")
_SIGNED = Words("signed", "已签核")
_LOCKED = Words("locked", "已锁定")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("day", type=date.fromisoformat, help="the business day, as 2026-03-04")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--through", action="store_true", help="close every open day up to this one")
    what.add_argument("--sign", action="store_true", help="sign the closed day; another person than who closed it")
    what.add_argument("--lock-month", action="store_true", help="lock the day's month, whole and explained")
    parser.add_argument("--without-silent", action="store_true", help="do not wait for tills that stated no totals")
    parser.add_argument("--language", default="", choices=["", "en", "zh-CN"], help="the machine's own when left out")
    parser.add_argument("--site", default="", help="the site's short name, where there are several")
    add_login(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Close or sign, and print what the day came to."""
    language = chosen_language(arguments)
    with opened(settings) as found:
        site = found.site(arguments.site)
        staff = signed_in(arguments, found, site)
        if staff is None:
            return 1
        if arguments.lock_month:
            return _lock(arguments.day, found, site, staff, language)
        if arguments.sign:
            return _sign(arguments.day, found, site, staff, language)
        return _close(arguments, found, site, staff, language)


def chosen_language(arguments: argparse.Namespace) -> str:
    """Return the language asked for, or the machine's own."""
    return str(arguments.language or os.environ.get("LC_ALL") or os.environ.get("LANG") or "en")


def _close(arguments: argparse.Namespace, found: Opened, site: SiteId, staff: StaffId, language: str) -> int:
    if arguments.through:
        made = closing.close_through(
            found.database, found.system, site, arguments.day, staff, without_silent=arguments.without_silent
        )
    else:
        made = iter([
            closing.close_day(
                found.database, found.system, site, arguments.day, staff, without_silent=arguments.without_silent
            )
        ])  # fmt: skip
    code = 0
    for one in made:
        if isinstance(one, CloseRefusal):
            print(f"onecard: {REFUSALS[one].in_language(language)}", file=sys.stderr)
            code = 1
        else:
            print(closed_text(one, language))
    return code


def _sign(day: date, found: Opened, site: SiteId, staff: StaffId, language: str) -> int:
    refusal = found.database.write(lambda session: service.sign(session, found.system, site, day, staff))
    if refusal is not None:
        print(f"onecard: {REFUSALS[refusal].in_language(language)}", file=sys.stderr)
        return 1
    print(f"{day}  {_SIGNED.in_language(language)}")
    return 0


def _lock(day: date, found: Opened, site: SiteId, staff: StaffId, language: str) -> int:
    refusal = found.database.write(lambda session: months.lock_month(session, found.system, site, day, staff))
    if refusal is not None:
        print(f"onecard: {REFUSALS[refusal].in_language(language)}", file=sys.stderr)
        return 1
    print(f"{day:%Y-%m}  {_LOCKED.in_language(language)}")
    return 0


def closed_text(closed: DayClose, language: str) -> str:
    """Return a closed day in a few lines: count, sum, and how many differences of each kind."""
    charges = closed.figures["charges"]
    net = yuan_text(Fen(charges["charged"] - charges["reversed"]))
    head = _HEAD.in_language(language)
    lines = [head.format(day=closed.business_day, charges=charges["charges"] - charges["reversals"], net=net)]
    lines += [
        f"  {KINDS[FindingKind(kind)].in_language(language)}: {count}"
        for kind, count in sorted(closed.figures["findings"].items())
    ]
    return "\n".join(lines)
