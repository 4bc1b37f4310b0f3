"""What to tell the office about a sheet, in both languages: what is wrong, where, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from server.subsidies.batches import BatchRefusal, Preview
from server.subsidies.cells import MAX_COLUMNS, MAX_ROWS, MAX_SHEET_BYTES, SheetProblem, Unreadable
from server.subsidies.columns import Field, Mistake, RowMistake
from server.subsidies.plans import PlanRefusal


class Words(NamedTuple):
    """One text in both languages."""

    en: str
    zh: str


TEXTS: Mapping[StrEnum, Words] = MappingProxyType(
    {
        SheetProblem.TOO_LARGE: Words(
            f"the file is larger than {MAX_SHEET_BYTES // 1024 // 1024} MB, packed or unpacked: split it",
            f"文件超过 {MAX_SHEET_BYTES // 1024 // 1024} MB(或解压后过大),请拆分",
        ),
        SheetProblem.EMPTY: Words("the file holds nothing", "文件为空"),
        SheetProblem.OLD_EXCEL: Words(
            "this is an old Excel file (.xls): save it as .xlsx", "旧版 Excel 文件(.xls),请另存为 .xlsx"
        ),
        SheetProblem.BROKEN: Words("the file is damaged: save it again", "文件已损坏,请重新保存"),
        SheetProblem.UNKNOWN_ENCODING: Words(
            "the text is neither UTF-8 nor GB18030: save it as one of them", "文本编码既非 UTF-8 也非 GB18030,请另存"
        ),
        SheetProblem.SEVERAL_SHEETS: Words(
            "more than one worksheet holds something: leave one", "多个工作表有内容,请只保留一个"
        ),
        SheetProblem.TOO_MANY_ROWS: Words(f"more than {MAX_ROWS} rows: split the file", f"超过 {MAX_ROWS} 行,请拆分"),
        SheetProblem.TOO_MANY_COLUMNS: Words(
            f"more than {MAX_COLUMNS} columns: delete those without a heading", f"超过 {MAX_COLUMNS} 列,请删除多余列"
        ),
        SheetProblem.MERGED_CELLS: Words("cells are merged: unmerge them", "存在合并单元格,请取消合并"),
        SheetProblem.NO_HEADER: Words(
            "no row has headings for the personnel number (工号) and the amount (金额) or meals (次数)",
            "找不到含“工号”与“金额”(或“次数”)的表头行",
        ),
        SheetProblem.SAME_HEADER_TWICE: Words("two columns have the same meaning: delete one", "表头重复,请删除一列"),
        Mistake.NUMBER_MISSING: Words("the personnel number is missing", "缺少工号"),
        Mistake.NUMBER_LOST_DIGITS: Words(
            "the number stands as a figure and may have lost digits: format the column as text and type it again",
            "编号以数值存储,可能丢失位数:请将该列设为文本后重新录入",
        ),
        Mistake.NUMBER_TOO_LONG: Words("this is too long for a personnel number", "工号过长"),
        Mistake.NUMBER_TWICE: Words("this person is in the sheet already", "该人员重复"),
        Mistake.AMOUNT_MISSING: Words("the amount is missing", "缺少金额"),
        Mistake.AMOUNT_UNREADABLE: Words(
            "write an amount in yuan with at most two decimals, or whole meals", "请填写金额(元,最多两位小数)或整数次数"
        ),
        Mistake.AMOUNT_OUT_OF_RANGE: Words("the amount is nothing, negative or too large", "金额为零、为负或超出上限"),
        Mistake.REFERENCE_TWICE: Words("this reference is in the sheet already", "流水号重复"),
        Mistake.REFERENCE_USED: Words("this reference was booked with another batch", "该流水号已在其他批次入账"),
        Mistake.FORMULA: Words("a formula: paste the value instead", "含公式,请改为数值"),
        Mistake.NOT_TEXT: Words("this must be text", "此处应为文本"),
        Mistake.PERSON_UNKNOWN: Words("nobody has this number", "查无此工号"),
        Mistake.PERSON_LEFT: Words("this person has left", "该人员已离职"),
        Mistake.NAME_DIFFERS: Words("the name is not that of the number: is a row shifted?", "姓名与工号不符,是否错行"),
        Mistake.NO_ACCOUNT: Words("this person has no account: open one", "该人员未开户"),
        Mistake.ACCOUNT_CLOSED: Words("the account is closed", "账户已销户"),
        Mistake.ABOVE_HIGHEST: Words("the purse would hold more than it may", "将超过账户余额上限"),
        Mistake.TOTAL_DIFFERS: Words("the total line is not the sum of the lines", "合计行与明细之和不符"),
        BatchRefusal.NUMBER_UNUSABLE: Words("a batch number has 1 to 40 characters", "批次号应为 1 到 40 个字符"),
        BatchRefusal.NUMBER_USED: Words("a batch with other lines has this number", "该批次号已用于其他内容"),
        BatchRefusal.CONTROL_MISSING: Words(
            "give the total that you know from elsewhere, or a total line (合计)", "请提供控制总额,或在表末加“合计”行"
        ),
        BatchRefusal.CONTROL_DIFFERS: Words("the total given is not the sum of the lines", "控制总额与明细之和不符"),
        BatchRefusal.NO_LINES: Words("the sheet has no line", "表中没有明细"),
        BatchRefusal.UNKNOWN_BATCH: Words("there is no such batch", "批次不存在"),
        BatchRefusal.NOT_A_DRAFT: Words("the batch is not a draft any more", "该批次已不是草稿"),
        BatchRefusal.NOT_BOOKED: Words("the batch is not booked", "该批次尚未入账"),
        BatchRefusal.CHANGED: Words("the draft is not what was approved", "草稿与所批准内容不符"),
        BatchRefusal.ACCOUNT_CLOSED: Words(
            "an account was closed meanwhile: take the sheet in again under a new number",
            "有账户已销户,请用新批次号重新导入",
        ),
        BatchRefusal.ABOVE_HIGHEST: Words(
            "a purse would hold more than it may: take the sheet in again under a new number",
            "有账户将超过余额上限,请用新批次号重新导入",
        ),
        PlanRefusal.ID_UNUSABLE: Words(
            "a plan's name has 1 to 20 characters and no colon", "方案名应为 1 到 20 个字符"
        ),
        PlanRefusal.UNKNOWN_CATEGORY: Words("there is no such category", "人员类别不存在"),
        PlanRefusal.UNKNOWN_PURSE: Words("a plan fills the purse subsidy or count", "方案只能用于补贴或次数钱包"),
        PlanRefusal.AMOUNT_OUT_OF_RANGE: Words(
            "the amount is nothing, negative or too large", "金额为零、为负或超出上限"
        ),
        PlanRefusal.NOT_A_MONTH: Words("a plan goes from one month to a later one", "方案起止月份有误"),
        PlanRefusal.CLASHES: Words("another plan gives to this category in these months", "与同类别的其他方案时间重叠"),
        PlanRefusal.CHANGES_TOO_MUCH: Words(
            "only amount and end of a plan change: end it and make another", "方案只能改金额与截止月,请另建方案"
        ),
        PlanRefusal.NOT_THIS_MONTH: Words("only the current month can be run", "只能发放本月补贴"),
    }
)
FIELDS: Mapping[Field, Words] = MappingProxyType(
    {
        Field.NUMBER: Words("number", "工号"),
        Field.NAME: Words("name", "姓名"),
        Field.AMOUNT: Words("amount", "金额"),
        Field.MEALS: Words("meals", "次数"),
        Field.REFERENCE: Words("reference", "流水号"),
    }
)


def text_of(reason: StrEnum, *, chinese: bool) -> str:
    """Return the words for a refusal or a mistake."""
    words = TEXTS[reason]
    return words.zh if chinese else words.en


def lines_of(preview: Preview, *, chinese: bool) -> list[str]:
    """Return everything that is wrong with a sheet, one line each."""
    lines = [_mistake(mistake, chinese=chinese) for mistake in preview.mistakes]
    match preview.refused:
        case Unreadable(problem, row):
            place = (f"第 {row} 行:" if chinese else f"row {row}: ") if row else ""
            lines.insert(0, place + text_of(problem, chinese=chinese))
        case BatchRefusal() as refusal:
            lines.insert(0, text_of(refusal, chinese=chinese))
    return lines


def _mistake(mistake: RowMistake, *, chinese: bool) -> str:
    field = FIELDS[mistake.field].zh if chinese else FIELDS[mistake.field].en
    place = f"第 {mistake.row} 行 {field}" if chinese else f"row {mistake.row}, {field}"
    value = f" {mistake.value!r}" if mistake.value else ""
    return f"{place}{value}: {text_of(mistake.mistake, chinese=chinese)}"
