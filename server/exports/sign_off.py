"""The sign-off sheet of a closed day as PDF: what was counted, what differs, the hash, and room for two signatures.

Chinese text is set in `STSong-Light`, one of the character collections every PDF reader brings a font for; so the sheet
needs no font on the server and embeds none. The same close gives the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from cardcore.money import Fen, yuan_text
from server.close.models import DayClose

FONT = "STSong-Light"
MAX_ROWS = 200
"""Rows of one table of the sheet; the export files have all."""
_MARGIN = 18 * mm
_LINE = 0.4


@dataclass(frozen=True, slots=True)
class SheetNames:
    """Names that stand for ids on the sheet: the site, who closed and who signed, each empty where there is none."""

    site: str
    closed_by: str
    signed_by: str


def sign_off_pdf(closed: DayClose, names: SheetNames) -> bytes:
    """Return the sheet of a close."""
    pdfmetrics.registerFont(UnicodeCIDFont(FONT))
    title, text = _style(15, 20), _style(9, 13)
    figures = closed.figures
    parts: list[Flowable] = [
        Paragraph(f"日结单 Day close {closed.business_day}", title),
        Paragraph(_escaped(f"{names.site}　第 {closed.revision + 1} 次结账 (revision {closed.revision})"), text),
        Spacer(1, 3 * mm),
        _charges(figures["charges"]),
        *_section("档口 Stalls", _STALLS, _stall_rows(figures["stalls"]), text),
        *_section("消费机核对 Tills", _TILLS, _till_rows(figures["tills"]), text),
        *_section("迟到流水 Posted for earlier days", _LATE, _late_rows(figures["late"]), text),
        *_section("科目余额 Trial balance", _ACCOUNTS, _account_rows(figures["accounts"]), text),
        *_section("差异 Differences", _FINDINGS, sorted(figures["findings"].items()), text),
        Spacer(1, 5 * mm),
        Paragraph(_escaped(f"校验 SHA-256: {closed.hash}"), _style(7, 10)),
        Paragraph(_escaped(f"上一日 previous: {closed.previous or '-'}"), _style(7, 10)),
        Spacer(1, 8 * mm),
        _signatures(closed, names),
    ]
    content = io.BytesIO()
    document = SimpleDocTemplate(
        content, pagesize=A4, invariant=1, title=f"Day close {closed.business_day}", author="Onecard",
        leftMargin=_MARGIN, rightMargin=_MARGIN, topMargin=_MARGIN, bottomMargin=_MARGIN,
    )  # fmt: skip
    document.build(parts, onFirstPage=_footer, onLaterPages=_footer)
    return content.getvalue()


_STALLS = ("档口 Stall", "营业额 Turnover", "退款 Refunds", "费用 Fees", "应付 Payable", "已付 Paid")
_TILLS = ("消费机 Till", "餐次 Meal", "系统笔数 Server", "系统金额", "机器笔数 Till says", "机器金额")
_LATE = ("所属日 Day", "笔数 Meals", "金额 Amount")
_ACCOUNTS = ("科目 Account", "名称 Name", "期初 Opening", "借方 Debit", "贷方 Credit", "期末 Closing")
_FINDINGS = ("类别 Kind", "项数 Count")

Cells = Sequence[Sequence[object]]


def _charges(charges: Mapping[str, int]) -> Table:
    rows = [
        ("消费 Charges", str(charges["charges"]), _yuan(charges["charged"])),
        ("冲正 Reversals", str(charges["reversals"]), _yuan(charges["reversed"])),
        ("净额 Net", str(charges["charges"] - charges["reversals"]), _yuan(charges["charged"] - charges["reversed"])),
    ]
    return _table(rows, has_head=False)


def _stall_rows(stalls: Sequence[Mapping[str, Any]]) -> Cells:
    return [
        (line["stall"], *(_yuan(line[name]) for name in ("turnover", "refunds", "fees", "payable", "paid")))
        for line in stalls
    ]


def _till_rows(tills: Sequence[Mapping[str, Any]]) -> Cells:
    return [
        (
            line["till"], line["meal"], line["served"], _yuan(line["fen"]),
            "未报 silent" if line["till_served"] is None else line["till_served"],
            "" if line["till_fen"] is None else _yuan(line["till_fen"]),
        )
        for line in tills
    ]  # fmt: skip


def _late_rows(late: Sequence[Mapping[str, Any]]) -> Cells:
    return [(line["event_day"], line["meals"], _yuan(line["fen"])) for line in late]


def _account_rows(accounts: Sequence[Sequence[Any]]) -> Cells:
    return [(role, name, *map(_yuan, sums)) for unit, role, name, *sums in accounts if unit == "fen"]


def _section(title: str, head: Sequence[str], rows: Cells, style: ParagraphStyle) -> list[Flowable]:
    shown = [tuple(map(str, row)) for row in rows[:MAX_ROWS]]
    if len(rows) > MAX_ROWS:
        shown.append((f"… +{len(rows) - MAX_ROWS}", *("" for _ in head[1:])))
    body = _table([tuple(head), *shown], has_head=True) if shown else Paragraph("无 none", style)
    return [Spacer(1, 4 * mm), Paragraph(title, _style(11, 15)), body]


def _signatures(closed: DayClose, names: SheetNames) -> Table:
    at = f"{closed.closed_at:%Y-%m-%d %H:%M} UTC" if closed.closed_at is not None else ""
    signed_at = f"{closed.signed_at:%Y-%m-%d %H:%M} UTC" if closed.signed_at is not None else ""
    rows = [
        (f"结账人 Closed by: {names.closed_by}", f"复核人 Signed by: {names.signed_by}"),
        (at, signed_at),
        ("签字 Signature: ____________________", "签字 Signature: ____________________"),
    ]
    table = Table(rows, colWidths=["50%", "50%"], hAlign="LEFT")
    table.setStyle(TableStyle([("FONT", (0, 0), (-1, -1), FONT, 9), ("BOTTOMPADDING", (0, 0), (-1, -1), 8)]))
    return table


def _table(rows: Sequence[Sequence[str]], *, has_head: bool) -> Table:
    table = Table(rows, hAlign="LEFT", repeatRows=1 if has_head else 0)
    table.setStyle(
        TableStyle(
            [
                ("FONT", (0, 0), (-1, -1), FONT, 8),
                ("GRID", (0, 0), (-1, -1), _LINE, colors.grey),
                ("ALIGN", (1, 0), (-1, -1), "RIGHT"),
                *([("BACKGROUND", (0, 0), (-1, 0), colors.whitesmoke)] if has_head else []),
            ]
        )
    )
    return table


def _style(size: int, leading: int) -> ParagraphStyle:
    return ParagraphStyle("text", fontName=FONT, fontSize=size, leading=leading)


def _footer(canvas: Any, document: Any) -> None:  # noqa: ANN401 - reportlab carries no types
    canvas.setFont(FONT, 8)
    canvas.drawRightString(A4[0] - _MARGIN, 10 * mm, f"{document.page}")


def _yuan(fen: int) -> str:
    return yuan_text(Fen(fen))


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
