"""Vouchers for accounting programs: one a business day, lines contiguous and in balance, by a mapping (C75). No I/O.

Date, kind and number identify a voucher, so the number is that of the day in its month: a repeated export is the same.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from cardcore.money import Fen, yuan_text
from server.exports.entries import Entry
from server.exports.mapping import MappingError, VoucherMapping
from server.exports.table import harmless

SUMMARIES = {
    "charge": "消费", "reversal": "消费冲正", "refund": "退款", "topup": "现金充值", "topup_reversal": "充值撤销",
    "payout": "退现", "bank_topup": "银行充值", "payroll_topup": "工资代扣充值", "subsidy": "补贴发放",
    "subsidy_lapse": "补贴清零", "subsidy_reversal": "补贴收回", "deposit": "押金", "deposit_return": "退押金",
    "card_cost": "工本费", "cash_move": "现金调拨", "cash_difference": "长短款", "bank_settlement": "银行结算",
    "fee": "管理费", "commission": "佣金", "stall_payout": "商户解款", "rounding": "尾差", "receipt": "收回应收",
    "surcharge": "来宾加价", "rebate": "折扣", "write_off": "核销", "adjustment": "调账", "opening": "期初",
    "merge": "并户", "holder_transfer": "转账", "closure": "销户", "suspense": "待查",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class VoucherLine:
    """One line: exactly one of debit and credit is not zero, both positive."""

    summary: str
    account: str
    debit: Fen
    credit: Fen


@dataclass(frozen=True, slots=True)
class Voucher:
    """One voucher, in balance; `attachments` is how many transfers stand behind it."""

    day: date
    number: str
    attachments: int
    lines: tuple[VoucherLine, ...]


def vouchers_of(entries: Iterable[Entry], mapping: VoucherMapping) -> list[Voucher]:
    """Return a voucher for each day. Raises MappingError naming every account that has no code."""
    held = sorted(entries, key=lambda entry: entry.day)
    missing = sorted({
        f"{account.role}/{account.name}"
        for entry in held for account, _ in entry.lines if mapping.account_code(account.role, account.name) is None
    })  # fmt: skip
    too_long = sorted(code for code in mapping.accounts.values() if len(code) > mapping.max_account)
    if missing or too_long:
        msg = f"the mapping has no account for {', '.join(missing)}" if missing else f"too long: {', '.join(too_long)}"
        raise MappingError(msg)
    return [_voucher(day, list(group), mapping) for day, group in groupby(held, key=lambda entry: entry.day)]


def voucher_bytes(vouchers: Iterable[Voucher], mapping: VoucherMapping) -> bytes:
    """Return the file. Raises MappingError when a text cannot be written in the mapping's encoding."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=mapping.separator, lineterminator="\r\n")
    writer.writerow([title for title, _ in mapping.columns])
    for voucher in vouchers:
        for number, line in enumerate(voucher.lines, 1):
            fields = _fields(voucher, number, line, mapping)
            writer.writerow([template.format(**fields) for _, template in mapping.columns])
    try:
        return text.getvalue().encode(mapping.encoding)
    except UnicodeEncodeError as error:
        msg = f"{mapping.encoding} has no {error.object[error.start : error.end]!r}; choose utf-8-sig in the mapping"
        raise MappingError(msg) from error


def _voucher(day: date, entries: list[Entry], mapping: VoucherMapping) -> Voucher:
    lines: list[VoucherLine] = []
    for entry in entries:
        words = (SUMMARIES.get(entry.kind, entry.kind), entry.stall, entry.meal)
        summary = " ".join(filter(None, (f"{day}", *words)))[: mapping.max_summary]
        for account, fen in sorted(entry.lines, key=lambda line: -line[1]):  # debits first
            code = mapping.account_code(account.role, account.name) or ""
            lines.append(VoucherLine(summary, code, Fen(max(fen, 0)), Fen(max(-fen, 0))))
    number = f"{day.day:04d}"[: mapping.max_number]
    return Voucher(day, number, sum(entry.count for entry in entries), tuple(lines))


def _fields(voucher: Voucher, number: int, line: VoucherLine, mapping: VoucherMapping) -> dict[str, str]:
    def money(amount: Fen) -> str:
        return "" if mapping.zeros_are_blank and not amount else yuan_text(amount)

    return {
        "day": str(voucher.day), "year": str(voucher.day.year), "month": str(voucher.day.month),
        "day_of_month": str(voucher.day.day), "kind": mapping.voucher_kind, "number": voucher.number,
        "attachments": str(voucher.attachments), "line": str(number), "summary": harmless(line.summary),
        "account": line.account, "debit": money(line.debit), "credit": money(line.credit), "maker": mapping.maker,
    }  # fmt: skip
