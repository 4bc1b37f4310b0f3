"""`onecard stall`: contracts of stalls, purchases, settlement sheets and their payment."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from uuid import UUID

from cardcore.ids import SiteId, StaffId, StallId
from cardcore.money import Fen, parse_yuan, yuan_text
from server.canteen import repository as canteen_rows
from server.cli.books_texts import Words
from server.cli.close import chosen_language
from server.cli.opened import Opened, opened
from server.cli.signed_in import add_login, signed_in
from server.database import ReadSession
from server.settings import Settings
from server.settlement import contracts, purchases, sheets
from server.settlement.models import Contract, SettlementRefusal, Sheet
from server.settlement.purchases import Purchase
from server.settlement.sheet_rows import Problem

REFUSALS: Mapping[SettlementRefusal, Words] = {
    SettlementRefusal.NOT_ALLOWED: Words("this login may not do that", "该账号没有此权限"),
    SettlementRefusal.STALL_UNKNOWN: Words("there is no such stall", "没有该档口"),
    SettlementRefusal.OWNER_MISSING: Words("name who runs the stall: --owner", "须填写经营者：--owner"),
    SettlementRefusal.TOO_LONG: Words("a text or list is too long", "内容过长"),
    SettlementRefusal.TERMS_OUT_OF_RANGE: Words("the terms are out of range", "合同条款超出范围"),
    SettlementRefusal.BEGINS_TOO_EARLY: Words(
        "a version begins after the one before and after the last day settled", "新版本须晚于上一版本和最后结算日"
    ),
    SettlementRefusal.NO_CONTRACT: Words("a day has no contract", "有营业日没有合同"),
    SettlementRefusal.DAYS_OUT_OF_RANGE: Words("no days, or more than a year", "没有可结算的营业日，或超过一年"),
    SettlementRefusal.DAYS_NOT_CLOSED: Words("close the days first", "请先日结"),
    SettlementRefusal.SHEET_UNKNOWN: Words("there is no such sheet", "没有该结算单"),
    SettlementRefusal.SAME_PERSON: Words("another person must do that", "须由另一人操作"),
    SettlementRefusal.PERSON_UNKNOWN: Words(
        "the login is tied to no person: onecard user person", "该账号未关联人员：onecard user person"
    ),
    SettlementRefusal.ALREADY_PAID: Words("it is paid already", "已解款"),
    SettlementRefusal.NOTHING_DUE: Words("nothing is due", "无应付款"),
    SettlementRefusal.REFERENCE_MISSING: Words("the bank's reference is needed", "须填写银行流水号"),
}
_SHEET = Words(
    "{id}  {stall}  {first} to {last}: turnover {turnover} - refunds {refunds} - commission {commission} - fees {fee}"
    " + carried {carried} = payable {payable}  {state}",
    "{id}  {stall}  {first} 至 {last}：营业额 {turnover} - 退款 {refunds} - 佣金 {commission} - 管理费 {fee}"
    " + 上期结转 {carried} = 应付 {payable}  {state}",
)
_STATES = {
    "drawn": Words("drawn up", "已出单"),
    "nothing_due": Words("nothing due", "无应付"),
    "paid": Words("paid", "已解款"),
}
_NEW = Words("{count} new lines", "新增 {count} 行")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="stalls, who runs them, and their sheets")
    contract = actions.add_parser("contract", help="add a dated version of a stall's contract")
    contract.add_argument("stall")
    contract.add_argument("--owner", required=True, help="who runs the stall and is paid")
    contract.add_argument("--begins", type=date.fromisoformat, required=True, metavar="DAY")
    contract.add_argument("--ends", type=date.fromisoformat, default=None, metavar="DAY")
    contract.add_argument("--commission-basis-points", type=int, default=0, help="250 = 2.5 %% of turnover - refunds")
    contract.add_argument("--fee-per-charge", default="0", metavar="YUAN")
    contract.add_argument("--contact", default="")
    contract.add_argument("--account", default="", help="the bank account that is paid")
    bought = actions.add_parser("purchases", help="take in a file of purchases (CSV or XLSX)")
    bought.add_argument("file", type=Path)
    settle = actions.add_parser("settle", help="draw up the next settlement sheet, through a closed day")
    settle.add_argument("stall")
    settle.add_argument("--through", type=date.fromisoformat, required=True, metavar="DAY")
    pay = actions.add_parser("pay", help="mark a sheet paid; another person than who drew it up")
    pay.add_argument("sheet", type=UUID)
    pay.add_argument("--reference", required=True, help="the bank's reference of the payment")
    for action in (contract, bought, settle, pay):
        add_login(action)
    parser.add_argument("--language", default="", choices=["", "en", "zh-CN"], help="the machine's own when left out")
    parser.add_argument("--site", default="", help="the site's short name, where there are several")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Carry out one action."""
    language = chosen_language(arguments)
    with opened(settings) as found:
        site = found.site(arguments.site)
        if arguments.action == "list":
            return _list(found, site, language)
        staff = signed_in(arguments, found, site)
        if staff is None:
            return 1
        done = _act(arguments, found, site, staff)
    if isinstance(done, SettlementRefusal):
        print(f"onecard: {REFUSALS[done].in_language(language)}", file=sys.stderr)
        return 1
    if isinstance(done, list):
        for one in done:
            print(f"onecard: {arguments.file}: row {one.row} {one.column}: {one.message}", file=sys.stderr)
        return 1
    if isinstance(done, Sheet):
        print(sheet_text(done, language))
    elif isinstance(done, int):
        print(_NEW.in_language(language).format(count=done))
    return 0


Done = SettlementRefusal | Contract | Sheet | int | list[Problem] | None


def _act(arguments: argparse.Namespace, found: Opened, site: SiteId, staff: StaffId) -> Done:
    write, system = found.database.write, found.system
    match arguments.action:
        case "contract":
            try:
                terms = _terms(arguments)
            except ValueError as error:
                print(f"onecard: --fee-per-charge: {error}", file=sys.stderr)
                return SettlementRefusal.TERMS_OUT_OF_RANGE
            return write(lambda session: contracts.add_contract(session, system, site, terms, staff))
        case "purchases":
            return _purchases(arguments.file.read_bytes(), found, site, staff)
        case "settle":
            stall, through = StallId(arguments.stall), arguments.through
            return write(lambda session: sheets.draw_up(session, system, site, stall, through, staff))
        case _:
            sheet, reference = arguments.sheet, arguments.reference
            return write(lambda session: sheets.mark_paid(session, system, site, sheet, staff, reference))


def _terms(arguments: argparse.Namespace) -> Contract:
    return Contract(
        StallId(arguments.stall),
        arguments.begins,
        arguments.owner,
        arguments.commission_basis_points,
        parse_yuan(arguments.fee_per_charge),
        arguments.ends,
        arguments.contact,
        arguments.account,
    )


def _purchases(content: bytes, found: Opened, site: SiteId, staff: StaffId) -> Done:
    def names(session: ReadSession) -> tuple[frozenset[str], frozenset[str]]:
        stalls, meals = canteen_rows.stall_rows(session, site), canteen_rows.meal_rows(session, site)
        return frozenset(row["id"] for row in stalls), frozenset(row["id"] for row in meals)

    read = purchases.read_file(content, *found.database.read(names))
    problems = [one for one in read if isinstance(one, Problem)]
    if problems:
        return problems
    lines = [one for one in read if isinstance(one, Purchase)]
    return found.database.write(lambda session: purchases.enter(session, found.system, site, lines, staff))


def _list(found: Opened, site: SiteId, language: str) -> int:
    for stall in found.database.read(lambda session: contracts.register(session, site)):
        owner = stall.contract.owner if stall.contract is not None else "-"
        name = stall.name_zh if language.startswith("zh") else stall.name_en
        print(f"{stall.id:<16} {name}  {owner}  {','.join(stall.tills)}")
    for sheet in found.database.read(lambda session: sheets.find(session, site, None, 1)).rows:
        print(sheet_text(sheet, language))
    return 0


def sheet_text(sheet: Sheet, language: str) -> str:
    """Return a settlement sheet as one line."""
    sums: dict[str, Fen] = {
        "turnover": sheet.turnover, "refunds": sheet.refunds, "commission": sheet.commission, "fee": sheet.fee,
        "carried": sheet.carried, "payable": sheet.payable,
    }  # fmt: skip
    return _SHEET.in_language(language).format(
        id=sheet.id,
        stall=sheet.stall_id,
        first=sheet.from_day,
        last=sheet.through_day,
        state=_STATES[sheet.state].in_language(language),
        **{name: yuan_text(fen) for name, fen in sums.items()},
    )
