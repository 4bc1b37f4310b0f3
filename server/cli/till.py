"""`onecard till`: how tills charge, what first taps are subsidised with, and where a price is missing."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace

from cardcore.canteen.selling import MODES, PAYERS
from cardcore.ids import SiteId, StaffId, TillId
from cardcore.money import Fen, parse_yuan, yuan_text
from server.approvals.models import ApprovalRefusal
from server.approvals.texts import text_of
from server.audit.service import staff_actor
from server.canteen import charging
from server.canteen import repository as canteen_rows
from server.canteen.charging import MealSubsidy, TillCharging
from server.canteen.exposure import charging_of
from server.canteen.gaps import tariff_gaps
from server.canteen.service import ANY
from server.cli.close import chosen_language
from server.cli.opened import Opened, opened
from server.cli.signed_in import add_login, signed_in
from server.ledger.service import business_day
from server.policy import service as policy
from server.settings import Settings
from server.staff import service as staff_service
from server.staff.roles import Permission


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="list tills and how they charge")
    actions.add_parser("gaps", help="list prices that are missing: till, meal, category")
    change = actions.add_parser("set", help="change how a till charges; what is left out stays")
    change.add_argument("till")
    change.add_argument("--mode", choices=sorted(MODES))
    change.add_argument("--amount", default="", help="the price of fixed mode, in yuan")
    change.add_argument("--payer", choices=sorted(PAYERS))
    change.add_argument("--key", action="append", default=[], metavar="KEY=YUAN", help="a key's price; repeat for more")
    change.add_argument("--undo-minutes", type=int)
    change.add_argument("--offline-tap-cap", default="", help="the most of one meal alone, in yuan")
    change.add_argument("--offline-card-cap", type=int, help="meals of one card alone")
    aid = actions.add_parser("subsidy", help="let the house pay of the first tap of a meal or day; 0 takes it away")
    aid.add_argument("amount", help="in yuan, or a share such as 50%%; 100%% is a free meal")
    aid.add_argument("--category", default=ANY)
    aid.add_argument("--stall", default=ANY)
    aid.add_argument("--meal", default=ANY)
    aid.add_argument("--per", default="meal", choices=["meal", "day"])
    for action in (change, aid):
        add_login(action)
    parser.add_argument("--language", default="", choices=["", "en", "zh-CN"], help="the machine's own when left out")
    parser.add_argument("--site", default="", help="the site's short name, where there are several")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Carry out one action."""
    with opened(settings) as found:
        try:
            site = found.site(arguments.site)
            if arguments.action in _LISTS:
                return _LISTS[arguments.action](found, site)
            staff = signed_in(arguments, found, site)
            if staff is None:
                return 1
            if not found.database.read(
                lambda session: staff_service.may(session, staff, site, Permission.PRICES_WRITE)
            ):
                chinese = chosen_language(arguments).startswith("zh")
                print(f"onecard: {text_of(ApprovalRefusal.NOT_ALLOWED, chinese=chinese)}", file=sys.stderr)
                return 1
            problem = _CHANGES[arguments.action](arguments, found, site, staff)
        except ValueError as error:
            print(f"onecard: {error}", file=sys.stderr)
            return 2
    if problem is not None:
        print(f"onecard: {problem}", file=sys.stderr)
        return 1
    return 0


def _list(found: Opened, site: SiteId) -> int:
    for row in found.database.read(lambda session: canteen_rows.till_rows(session, site)):
        amount = yuan_text(Fen(row["amount_fen"])) if row["amount_fen"] else ""
        print(f"{row['id']:<10} {row['stall_id']:<12} {row['mode']:<10} {row['payer']:<11} {amount}".rstrip())
    return 0


def _gaps(found: Opened, site: SiteId) -> int:
    day = found.database.read(lambda session: business_day(session, found.system, site))
    gaps = tariff_gaps(found.database.read(lambda session: policy.load_snapshot(session, site)), day)
    for gap in gaps:
        print(f"{gap.till:<10} {gap.meal:<12} {gap.category}")
    return 1 if gaps else 0


def _set(arguments: argparse.Namespace, found: Opened, site: SiteId, staff: StaffId) -> str | None:
    rows = {row["id"]: row for row in found.database.read(lambda session: canteen_rows.till_rows(session, site))}
    if arguments.till not in rows:
        return f"there is no till {arguments.till}: onecard till list"
    values = _changed(charging_of(rows[arguments.till]), arguments)
    problem = found.database.write(
        lambda session: charging.set_till_charging(
            session, found.system, site, TillId(arguments.till), values, staff_actor(staff)
        )
    )
    return problem.advice if problem is not None else None


def _changed(now: TillCharging, arguments: argparse.Namespace) -> TillCharging:
    given = {
        "payer": arguments.payer, "undo_minutes": arguments.undo_minutes,
        "offline_card_cap": arguments.offline_card_cap,
    }  # fmt: skip
    values = replace(now, **{name: value for name, value in given.items() if value is not None})
    if arguments.mode is not None:  # a price belongs to its mode: the old one does not outlive it
        values = replace(values, mode=arguments.mode, amount_fen=Fen(0))
    if arguments.amount:
        values = replace(values, amount_fen=parse_yuan(arguments.amount))
    if arguments.offline_tap_cap:
        values = replace(values, offline_tap_cap_fen=parse_yuan(arguments.offline_tap_cap))
    if arguments.key:
        values = replace(values, key_prices=tuple(_key(text) for text in arguments.key))
    return values


def _key(text: str) -> tuple[str, Fen]:
    key, equals, price = text.partition("=")
    if not equals:
        msg = f"{text!r} is no price of a key: write 3=4.50"
        raise ValueError(msg)
    return key, parse_yuan(price)


def _subsidy(arguments: argparse.Namespace, found: Opened, site: SiteId, staff: StaffId) -> str | None:
    place = MealSubsidy(arguments.category, arguments.stall, arguments.meal, arguments.per)
    share = arguments.amount.endswith("%")
    amount = int(arguments.amount[:-1]) if share else parse_yuan(arguments.amount)
    actor = staff_actor(staff)
    if amount == 0:
        gone = found.database.write(
            lambda session: charging.remove_meal_subsidy(session, found.system, site, place, actor)
        )
        return None if gone else "there is no such subsidy"
    subsidy = replace(place, percent=amount) if share else replace(place, fen=Fen(amount))
    problem = found.database.write(
        lambda session: charging.put_meal_subsidy(session, found.system, site, subsidy, actor)
    )
    return problem.advice if problem is not None else None


_LISTS: dict[str, Callable[[Opened, SiteId], int]] = {"list": _list, "gaps": _gaps}
_CHANGES: dict[str, Callable[[argparse.Namespace, Opened, SiteId, StaffId], str | None]] = {
    "set": _set,
    "subsidy": _subsidy,
}
