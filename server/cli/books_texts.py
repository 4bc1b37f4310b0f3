"""What the commands of the books say, in both languages: refusals, differences, causes, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from server.close.models import Cause, CloseRefusal, FindingKind


class Words(NamedTuple):
    """One text in both languages."""

    en: str
    zh: str

    def in_language(self, language: str) -> str:
        """Return the text; `language` begins with `zh` or is English."""
        return self.zh if language.startswith("zh") else self.en


REFUSALS: Mapping[StrEnum, Words] = {
    CloseRefusal.NOT_ENDED: Words("the business day has not ended", "营业日尚未结束"),
    CloseRefusal.EARLIER_DAY_OPEN: Words(
        "an earlier day is open: close it first, or use --through", "之前还有未结账的营业日：请先结账，或使用 --through"
    ),
    CloseRefusal.BEFORE_THE_BOOKS: Words("this day is before the first closed day", "该日早于首个结账日"),
    CloseRefusal.TILLS_SILENT: Words(
        "tills have not stated their totals; wait, or leave them out: --without-silent",
        "有消费机尚未上报合计：请等待，或使用 --without-silent 跳过",
    ),
    CloseRefusal.NOT_CLOSED: Words("the day is not closed", "该日尚未结账"),
    CloseRefusal.NOT_ALLOWED: Words("this login may not do that", "该账号没有此权限"),
    CloseRefusal.SAME_PERSON: Words("another person must do that", "须由另一人操作"),
    CloseRefusal.PERSON_UNKNOWN: Words(
        "the login is tied to no person: onecard user person", "该账号未关联人员：onecard user person"
    ),
    CloseRefusal.ALREADY_SIGNED: Words("it is signed already", "已签核"),
    CloseRefusal.MONTH_LOCKED: Words("the month is locked", "该月已锁定"),
    CloseRefusal.DAYS_NOT_CLOSED: Words("days of the month are not closed", "该月有未结账的营业日"),
    CloseRefusal.FINDINGS_OPEN: Words(
        "findings of the month are open: settle them first", "该月有未处理的差异：请先处理"
    ),
    CloseRefusal.REASON_MISSING: Words("a reason is needed", "须填写原因"),
}

KINDS: Mapping[FindingKind, Words] = {
    FindingKind.SEQUENCE_GAP: Words("records missing", "流水缺号"),
    FindingKind.SILENT_TILL: Words("silent till", "消费机未上报"),
    FindingKind.TILL_TOTAL: Words("till's total differs", "消费机合计不符"),
    FindingKind.TILL_KEY: Words("served and charged differ", "出餐与扣款不符"),
    FindingKind.UNCONFIRMED: Words("charge not confirmed", "扣款未确认"),
    FindingKind.BALANCE: Words("balance is not its postings", "余额与流水不符"),
    FindingKind.BALANCE_CHAIN: Words("balances do not follow", "余额链断裂"),
    FindingKind.CHARGE_BOOKING: Words("charge is not its transfers", "消费与分录不符"),
    FindingKind.BOOKS_SUM: Words("books do not sum to zero", "总账不平"),
    FindingKind.SUSPENSE: Words("account to be explained", "待查科目有余额"),
    FindingKind.SHIFT_OPEN: Words("shift not counted", "班次未交款"),
    FindingKind.BANK_THEIRS_ONLY: Words("only the bank has it", "仅银行有"),
    FindingKind.BANK_OURS_ONLY: Words("only we have it", "仅本方有"),
}

CAUSES: Mapping[Cause, Words] = {
    Cause.RECORDS_MISSING: Words("the device holds more records: restore its link", "设备有未上传流水：请恢复连接"),
    Cause.LATE_ARRIVAL: Words("records came after the close", "结账后才到的流水"),
    Cause.DEVICE_OFFLINE: Words("the device is offline with records on it", "设备离线，仍有流水"),
    Cause.NO_STATEMENT: Words("no total was stated: is the device switched on?", "未上报合计：设备是否开机？"),
    Cause.CORRECTION: Words("charges were corrected after the meal", "餐后有更正"),
    Cause.CLOCK: Words("the device counts the meals in another day: look at its clock", "设备计入其他日期：请检查时钟"),
    Cause.NO_OUTCOME_YET: Words("the till has not said whether the meal was served", "消费机尚未上报是否出餐"),
    Cause.UNKNOWN_CARD: Words("meals on cards nobody knows: find their holders", "未知卡消费：请查明持卡人"),
    Cause.CLOSED_ACCOUNT: Words("meals on closed accounts: collect or write off", "已销户消费：请追收或核销"),
    Cause.CASH: Words("counted cash differs from expected cash", "实点现金与应有现金不符"),
    Cause.BANK: Words("the bank's statement and our books differ", "银行对账单与本方账目不符"),
    Cause.ROUNDING: Words("residue of rounding", "四舍五入尾差"),
    Cause.TAMPERED: Words("rows were changed, or the software is wrong", "数据被改动，或软件有误"),
    Cause.UNKNOWN: Words("not known: look at the tap", "原因不明：请核查该笔"),
}  # fmt: skip
