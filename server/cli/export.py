"""`onecard export`: reports and books as files. The suffix says the form; a repeated export is byte-identical."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

from cardcore.ids import AccountId, SiteId
from server.access import repository as access_rows
from server.canteen import menus
from server.cli.close import chosen_language
from server.cli.opened import Opened, opened
from server.close.models import CloseState
from server.close.service import actor_staff, standing_close
from server.database import ReadSession
from server.exports import report_tables
from server.exports.collected import collect
from server.exports.csv_file import csv_bytes
from server.exports.mapping import MappingError, load_mapping
from server.exports.plain_text import beancount_text, hledger_text
from server.exports.sign_off import SheetNames, sign_off_pdf
from server.exports.table import Table
from server.exports.vouchers import voucher_bytes, vouchers_of
from server.exports.xlsx_file import write_xlsx
from server.ledger import repository as ledger_rows
from server.people import repository as people_rows
from server.reports import books, sums
from server.reports.sums import Dimension, Scope
from server.settings import Settings
from server.settlement import purchases
from server.staff import repository as staff_rows

TABLES = ("sums", "dishes", "trial-balance", "statement", "margins")
BOOKS = ("beancount", "hledger", "vouchers", "sign-off")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("what", choices=[*TABLES, *BOOKS])
    parser.add_argument("file", type=Path, help="where to; .csv or .xlsx for tables")
    parser.add_argument("--from", dest="from_day", type=date.fromisoformat, required=True, metavar="DAY")
    parser.add_argument("--through", dest="through_day", type=date.fromisoformat, required=True, metavar="DAY")
    dimensions = ", ".join(Dimension)
    parser.add_argument("--by", default="day", help=f"sums: one or more of {dimensions}, with commas between")
    for name in ("stall", "meal", "till", "department", "category"):
        parser.add_argument(f"--{name}", default=None, help="sums: only this one")
    parser.add_argument("--person", default="", metavar="NUMBER", help="statement: whose")
    parser.add_argument("--mapping", default="yonyou_u8", help="vouchers: yonyou_u8, kingdee, or a file of your own")
    parser.add_argument("--language", default="", choices=["", "en", "zh-CN"], help="the machine's own when left out")
    parser.add_argument("--site", default="", help="the site's short name, where there are several")


class ExportError(ValueError):
    """What was asked for cannot be exported; the text says why."""


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Write the file beside its place and move it there, so that a failure leaves no half file."""
    with opened(settings) as found:
        try:
            site = found.site(arguments.site)
            beside = arguments.file.with_name(f".{arguments.file.name}.{os.getpid()}")
            try:
                _write(arguments, found, site, beside)
                beside.replace(arguments.file)
            finally:
                beside.unlink(missing_ok=True)
        except (ExportError, MappingError, OSError) as error:
            print(f"onecard: {error}", file=sys.stderr)
            return 1
    return 0


def _write(arguments: argparse.Namespace, found: Opened, site: SiteId, path: Path) -> None:
    def write(session: ReadSession) -> None:
        if arguments.what in BOOKS:
            path.write_bytes(_books(arguments, session, site))
        else:
            _write_table(_table(arguments, session, site), arguments, path)

    found.database.read(write, stable=True)


def _books(arguments: argparse.Namespace, session: ReadSession, site: SiteId) -> bytes:
    if arguments.what == "sign-off":
        return _sign_off(arguments, session, site)
    collected = collect(session, site, arguments.from_day, arguments.through_day)
    match arguments.what:
        case "beancount":
            return beancount_text(collected, "Onecard").encode()
        case "hledger":
            return hledger_text(collected, "Onecard").encode()
        case _:
            mapping = load_mapping(arguments.mapping)
            return voucher_bytes(vouchers_of(collected.entries, mapping), mapping)


def _sign_off(arguments: argparse.Namespace, session: ReadSession, site: SiteId) -> bytes:
    closed = standing_close(session, site, arguments.from_day)
    if arguments.from_day != arguments.through_day or closed is None or closed.state is not CloseState.CLOSED:
        msg = "a sign-off sheet is of one closed day: give the same day to --from and --through"
        raise ExportError(msg)
    (row,) = access_rows.site_rows(session, site)
    names = SheetNames(
        f"{row['name_zh']} {row['name_en']}", _name_of(session, closed.closed_by), _name_of(session, closed.signed_by)
    )
    return sign_off_pdf(closed, names)


def _name_of(session: ReadSession, actor: str) -> str:
    row = staff_rows.get(session, actor_staff(actor)) if actor else None
    return f"{row['name']} ({row['login']})" if row is not None else ""


def _write_table(table: Table, arguments: argparse.Namespace, path: Path) -> None:
    language = "zh" if chosen_language(arguments).startswith("zh") else "en"
    match arguments.file.suffix.lower():
        case ".csv":
            with path.open("wb") as file:
                file.writelines(csv_bytes(table, language))
        case ".xlsx":
            write_xlsx(table, path, language)
        case other:
            msg = f"a table is written as .csv or .xlsx, not {other or 'without a suffix'}"
            raise ExportError(msg)


def _table(arguments: argparse.Namespace, session: ReadSession, site: SiteId) -> Table:
    days = (arguments.from_day, arguments.through_day)
    makers: dict[str, Callable[[], Table]] = {
        "sums": lambda: _sums(arguments, session, site),
        "trial-balance": lambda: report_tables.balances_table(books.trial_balance(session, site, *days)),
        "dishes": lambda: report_tables.dishes_table(
            menus.dishes_sold(session, site, days[0], days[1] + timedelta(days=1))
        ),
        "statement": lambda: _statement(arguments, session, site),
        "margins": lambda: report_tables.margins_table(purchases.margins(session, site, *days)),
    }
    return makers[arguments.what]()


def _sums(arguments: argparse.Namespace, session: ReadSession, site: SiteId) -> Table:
    names = arguments.by.split(",")
    unknown = [name for name in names if name not in list(Dimension)]
    if unknown:
        msg = f"--by takes {', '.join(Dimension)}, not {', '.join(unknown)}"
        raise ExportError(msg)
    dimensions = [Dimension(name) for name in names]
    scope = Scope(
        arguments.from_day, arguments.through_day, arguments.stall, arguments.meal, arguments.till,
        arguments.department, arguments.category,
    )  # fmt: skip
    refusal = sums.refused(scope, dimensions)
    if refusal is not None:
        msg = f"the report cannot be made: {refusal.replace('_', ' ')}"
        raise ExportError(msg)
    return report_tables.sums_table(dimensions, sums.all_charge_sums(session, site, scope, dimensions))


def _statement(arguments: argparse.Namespace, session: ReadSession, site: SiteId) -> Table:
    person = people_rows.by_number(session, site, arguments.person)
    account = ledger_rows.account_of_person(session, site, person["id"]) if person is not None else None
    if account is None:
        msg = f"nobody with number {arguments.person!r} has an account; name one with --person"
        raise ExportError(msg)
    lines = books.statement(session, site, AccountId(account["id"]), arguments.from_day, arguments.through_day)
    return report_tables.statement_table(lines)
