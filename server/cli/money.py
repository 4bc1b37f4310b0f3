"""`onecard money`: ask for corrections, plans and merged accounts, set purse rules, list debts. Others approve."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec

from cardcore.ids import CategoryId, ChargeId, MealId, SiteId, StaffId, TillId
from cardcore.money import Fen, parse_yuan, yuan_text
from server.approvals import service as approvals
from server.approvals.models import ApprovalRefusal, Operation
from server.approvals.texts import text_of
from server.audit.service import staff_actor
from server.cli.close import chosen_language
from server.cli.opened import Opened, opened
from server.cli.persons import account_of
from server.cli.signed_in import add_login, signed_in
from server.corrections.approved import ADJUSTMENT, PAPER, REFUND, AdjustmentWanted, PaperWanted, RefundWanted
from server.corrections.texts import TEXTS
from server.ledger.merging import MERGE, MergeAccounts
from server.ledger.rules import ALL_CATEGORIES, PurseRule, RuleRefusal, debts, put_rule
from server.settings import Settings
from server.staff import service as staff_service
from server.staff.roles import Permission
from server.subsidies import repository as batch_rows
from server.subsidies.approved import BATCH_REVERSE, PLAN_PUT, PutPlan, ReverseBatch
from server.subsidies.plans import PURSES, PlanMode

Asked = tuple[Operation[Any], msgspec.Struct]
PERSON = "the personnel number"


class _UsedWronglyError(ValueError):
    """Something typed means nothing; the text says what."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    refund = actions.add_parser("refund", help="give back all or part of a charge")
    refund.add_argument("charge", help="the charge's id")
    refund.add_argument("--amount", default="", help="in yuan; all that is left when left out")
    adjust = actions.add_parser("adjust", help="book a found difference on a purse")
    adjust.add_argument("person", help=PERSON)
    adjust.add_argument("amount", help="in yuan; write -- before a negative one")
    adjust.add_argument("--purse", default="cash", choices=["cash", "subsidy"])
    paper = actions.add_parser("paper", help="enter a meal that only paper remembers")
    for name, text in (("slip", "number of the slip"), ("person", PERSON), ("till", ""), ("meal", ""),
                       ("amount", "in yuan"), ("at", "when, as 2026-09-07T12:05+08:00")):  # fmt: skip
        paper.add_argument(name, help=text)
    merge = actions.add_parser("merge", help="move one account into another and close it")
    merge.add_argument("source", help=PERSON)
    merge.add_argument("target", help=PERSON)
    plan = actions.add_parser("plan", help="give a category so much a month")
    plan.add_argument("plan")
    plan.add_argument("category")
    plan.add_argument("amount", help="in yuan, or meals for the purse count")
    plan.add_argument("--mode", required=True, choices=[str(mode) for mode in PlanMode])
    plan.add_argument("--from", dest="from_month", required=True, help="first month, as 2026-09")
    plan.add_argument("--until", dest="until_month", default="", help="last month; none when left out")
    plan.add_argument("--purse", default="subsidy", choices=sorted(PURSES))
    take_back = actions.add_parser("take-back", help="take back what is left of a booked batch")
    take_back.add_argument("number", help="the batch's number")
    for action in (refund, adjust, paper, merge, plan, take_back):
        action.add_argument("--reason", required=True, help="what the approver reads")
    rule = actions.add_parser("rule", help="set floor and highest balance of a kind of purse, at once")
    rule.add_argument("purse", choices=["cash", "subsidy", "count"])
    rule.add_argument("--category", default=str(ALL_CATEGORIES), help="all categories when left out")
    rule.add_argument("--floor", default="0", help="in yuan (or meals); below zero is credit")
    rule.add_argument("--highest", default="", help="in yuan (or meals); no limit when left out")
    owing = actions.add_parser("debts", help="list who owes, the longest first")
    for action in (refund, adjust, paper, merge, plan, take_back, rule, owing):
        add_login(action)
    parser.add_argument("--language", default="", choices=["", "en", "zh-CN"], help="the machine's own when left out")
    parser.add_argument("--site", default="", help="the site's short name, where there are several")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Carry out one action as a member of staff."""
    with opened(settings) as found:
        try:
            site = found.site(arguments.site)
            staff = signed_in(arguments, found, site)
            if staff is None:
                return 1
            if arguments.action == "debts":
                return _debts(found, site, staff)
            if arguments.action == "rule":
                return _rule(arguments, found, site, staff)
            operation, content = _ASKS[arguments.action](arguments, found, site)
        except ValueError as error:
            print(f"onecard: {error}", file=sys.stderr)
            return 2
        asked = found.database.write(
            lambda session: approvals.ask(session, found.system, site, staff, operation, content, arguments.reason)
        )
    if isinstance(asked, ApprovalRefusal):
        chinese = chosen_language(arguments).startswith("zh")
        print(f"onecard: {text_of(asked, chinese=chinese)}", file=sys.stderr)
        return 1
    print(asked)
    print(f"another person decides: onecard approval approve {asked} --as LOGIN", file=sys.stderr)
    return 0


def _refund(arguments: argparse.Namespace, _found: Opened, _site: SiteId) -> Asked:
    amount = parse_yuan(arguments.amount) if arguments.amount else 0
    return REFUND, RefundWanted(ChargeId(UUID(arguments.charge)), amount)


def _adjust(arguments: argparse.Namespace, found: Opened, site: SiteId) -> Asked:
    account = account_of(found, site, arguments.person)
    return ADJUSTMENT, AdjustmentWanted(account, arguments.purse, parse_yuan(arguments.amount))


def _paper(arguments: argparse.Namespace, found: Opened, site: SiteId) -> Asked:
    at = datetime.fromisoformat(arguments.at)
    if at.tzinfo is None:
        msg = "say the zone of the time, as in 2026-09-07T12:05+08:00"
        raise _UsedWronglyError(msg)
    account = account_of(found, site, arguments.person)
    meal, amount = MealId(arguments.meal), parse_yuan(arguments.amount)
    return PAPER, PaperWanted(arguments.slip, account, TillId(arguments.till), meal, amount, at)


def _merge(arguments: argparse.Namespace, found: Opened, site: SiteId) -> Asked:
    return MERGE, MergeAccounts(account_of(found, site, arguments.source), account_of(found, site, arguments.target))


def _plan(arguments: argparse.Namespace, _found: Opened, _site: SiteId) -> Asked:
    is_meals = arguments.purse == "count"
    amount = _meals(arguments.amount) if is_meals else parse_yuan(arguments.amount)
    until = _month(arguments.until_month) if arguments.until_month else None
    category, mode = CategoryId(arguments.category), PlanMode(arguments.mode)
    from_month = _month(arguments.from_month)
    return PLAN_PUT, PutPlan(arguments.plan, category, amount, mode, from_month, until, arguments.purse)


def _take_back(arguments: argparse.Namespace, found: Opened, site: SiteId) -> Asked:
    row = found.database.read(lambda session: batch_rows.batch_by_number(session, site, arguments.number))
    if row is None:
        msg = f"there is no batch {arguments.number}: onecard subsidy list"
        raise _UsedWronglyError(msg)
    return BATCH_REVERSE, ReverseBatch(row["id"], row["number"])


_ASKS: dict[str, Callable[[argparse.Namespace, Opened, SiteId], Asked]] = {
    "refund": _refund, "adjust": _adjust, "paper": _paper, "merge": _merge, "plan": _plan, "take-back": _take_back,
}  # fmt: skip


def _rule(arguments: argparse.Namespace, found: Opened, site: SiteId, staff: StaffId) -> int:
    if not found.database.read(lambda session: staff_service.may(session, staff, site, Permission.PURSE_RULES_WRITE)):
        print(f"onecard: {text_of(ApprovalRefusal.NOT_ALLOWED, chinese=False)}", file=sys.stderr)
        return 1
    read = _meals if arguments.purse == "count" else parse_yuan
    highest = read(arguments.highest) if arguments.highest else None
    rule = PurseRule(arguments.purse, CategoryId(arguments.category), read(arguments.floor), highest)
    refused = found.database.write(lambda session: put_rule(session, found.system, site, rule, staff_actor(staff)))
    if isinstance(refused, RuleRefusal):
        words = TEXTS[refused]
        print(f"onecard: {words.zh if chosen_language(arguments).startswith('zh') else words.en}", file=sys.stderr)
        return 1
    return 0


def _debts(found: Opened, site: SiteId, staff: StaffId) -> int:
    if not found.database.read(lambda session: staff_service.may(session, staff, site, Permission.CHARGES_READ)):
        print(f"onecard: {text_of(ApprovalRefusal.NOT_ALLOWED, chinese=False)}", file=sys.stderr)
        return 1
    now = found.system.clock.now()
    for debt in found.database.read(lambda session: debts(session, site, 1, now)).rows:
        print(f"{debt.number:<20} {debt.name:<12} {debt.kind:<8} {yuan_text(debt.owed):>12} {debt.since:%Y-%m-%d}")
    return 0


def _meals(text: str) -> Fen:
    return Fen(int(text))


def _month(text: str) -> date:
    return date.fromisoformat(f"{text}-01")
