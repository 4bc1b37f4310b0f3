"""Which columns each report has as a table. The order and the keys never change; a new column goes to the end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import RowMapping

from server.exports.table import Column, Kind, Table
from server.ledger.roles import Unit
from server.reports.books import BalanceLine, StatementLine
from server.reports.sums import Dimension, SumRow
from server.settlement.purchases import Margin

DIMENSION_TITLES = {
    Dimension.STALL: ("Stall", "档口"),
    Dimension.MEAL: ("Meal", "餐次"),
    Dimension.TILL: ("Till", "消费机"),
    Dimension.DEPARTMENT: ("Department", "部门"),
    Dimension.CATEGORY: ("Category", "人员类别"),
    Dimension.PERSON: ("Person", "人员"),
    Dimension.HOUR: ("Hour", "时段"),
    Dimension.DAY: ("Business day", "营业日"),
    Dimension.MONTH: ("Month", "月份"),
}
_SUMS = (
    Column("charges", Kind.COUNT, "Charges", "消费笔数"),
    Column("reversals", Kind.COUNT, "Reversals", "冲正笔数"),
    Column("meals", Kind.COUNT, "Meals", "就餐人次"),
    Column("charged", Kind.FEN, "Charged", "消费金额"),
    Column("reversed", Kind.FEN, "Given back", "冲正金额"),
    Column("net", Kind.FEN, "Net", "净额"),
    Column("refunds", Kind.COUNT, "Meals refunded", "退餐次数"),
    Column("refunded", Kind.FEN, "Refunded", "退款金额"),
)
_BALANCES = (
    Column("role", Kind.TEXT, "Account", "科目"),
    Column("name", Kind.TEXT, "Name", "名称"),
    Column("opening", Kind.FEN, "Opening (credit +)", "期初余额（贷方为正）"),
    Column("debit", Kind.FEN, "Debit", "借方发生"),
    Column("credit", Kind.FEN, "Credit", "贷方发生"),
    Column("closing", Kind.FEN, "Closing (credit +)", "期末余额（贷方为正）"),
)
_MARGINS = (
    Column("stall", Kind.TEXT, "Stall", "档口"),
    Column("meal", Kind.TEXT, "Meal", "餐次"),
    Column("revenue", Kind.FEN, "Revenue", "营业收入"),
    Column("cost", Kind.FEN, "Purchases", "采购成本"),
    Column("margin", Kind.FEN, "Gross margin", "毛利"),
)
_DISHES = (
    Column("stall", Kind.TEXT, "Stall", "档口"),
    Column("meal", Kind.TEXT, "Meal", "餐次"),
    Column("code", Kind.TEXT, "Number", "菜号"),
    Column("dish", Kind.TEXT, "Dish", "菜名"),
    Column("portions", Kind.COUNT, "Portions", "份数"),
    Column("list", Kind.FEN, "At list price", "按标价金额"),
)
_STATEMENT = (
    Column("at", Kind.TEXT, "When", "时间"),
    Column("business_day", Kind.TEXT, "Business day", "营业日"),
    Column("kind", Kind.TEXT, "Kind", "类型"),
    Column("purse", Kind.TEXT, "Purse", "钱包"),
    Column("amount", Kind.FEN, "Amount", "金额"),
    Column("balance", Kind.FEN, "Balance after", "余额", adds_up=False),
    Column("other", Kind.TEXT, "With", "对方"),
    Column("note", Kind.TEXT, "Note", "备注"),
)


def sums_table(dimensions: Sequence[Dimension], rows: Iterable[SumRow]) -> Table:
    """Return counts and sums: two columns (key and name) a dimension, then the figures."""
    columns: list[Column] = []
    for dimension in dimensions:
        title_en, title_zh = DIMENSION_TITLES[dimension]
        columns.append(Column(f"{dimension}_id", Kind.TEXT, f"{title_en} id", f"{title_zh}编号"))
        columns.append(Column(str(dimension), Kind.TEXT, title_en, title_zh))
    name = "-".join(map(str, dimensions)) or "total"
    return Table(name, (*columns, *_SUMS), map(_sums, rows))


def balances_table(rows: Iterable[BalanceLine]) -> Table:
    """Return the money of a trial balance; debits and credits are as accountants count them (C73)."""
    money = (row for row in rows if row.unit is Unit.FEN)
    values = ((row.role, row.name, row.opening, row.debit, row.credit, row.closing) for row in money)
    return Table("trial-balance", _BALANCES, values)


def dishes_table(rows: Iterable[RowMapping]) -> Table:
    """Return the dishes of charges in force, by stall, meal and number, with portions and list price."""
    values = (
        (row["stall_id"], row["meal_id"], row["code"], row["name_zh"] or "", row["portions"], row["list_fen"])
        for row in rows
    )
    return Table("dishes", _DISHES, values)


def margins_table(rows: Iterable[Margin]) -> Table:
    """Return the gross margin by stall and meal."""
    values = ((row.stall_id, row.meal, row.revenue, row.cost, row.margin) for row in rows)
    return Table("margins", _MARGINS, values)


def statement_table(rows: Iterable[StatementLine]) -> Table:
    """Return a holder's statement, oldest first."""
    return Table("statement", _STATEMENT, map(_line, rows))


def _sums(row: SumRow) -> tuple[str | int, ...]:
    texts = [text for label in row.labels for text in (label.key, label.name_zh)]
    return (
        *texts,
        row.charges,
        row.reversals,
        row.meals,
        row.charged,
        row.reversed,
        row.net,
        row.refunds,
        row.refunded,
    )


def _line(row: StatementLine) -> tuple[str | int | None, ...]:
    at = f"{row.at:%Y-%m-%d %H:%M:%S}"
    return (at, str(row.business_day), row.kind, row.purse, row.amount, row.balance, row.other, row.note)
