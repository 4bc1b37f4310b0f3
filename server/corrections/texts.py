"""Why a correction was not carried out or a purse rule not set, in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from server.approvals.texts import Words
from server.corrections.adjustments import AdjustmentRefusal
from server.corrections.paper import PaperRefusal
from server.corrections.refunds import RefundRefusal
from server.ledger.merging import MergeRefusal
from server.ledger.rules import RuleRefusal

_RANGE = Words("the amount is nothing, negative or too large", "金额为零、为负或超出上限")
_NO_ACCOUNT = Words("there is no such account", "账户不存在")
_OTHER = Words("the same request stands for something else", "相同编号已用于其他内容")

TEXTS: Mapping[StrEnum, Words] = MappingProxyType(
    {
        RefundRefusal.CHARGE_UNKNOWN: Words("there is no such charge", "消费记录不存在"),
        RefundRefusal.NOT_IN_FORCE: Words("the charge was reversed before", "该笔消费已冲正"),
        RefundRefusal.NOT_SERVED_YET: Words("the till has not told yet how the meal ended", "收银机尚未上报该餐结果"),
        RefundRefusal.TOO_LATE: Words("too late to undo: ask the office", "已超出撤销时限,请由财务办理"),
        RefundRefusal.AMOUNT_OUT_OF_RANGE: _RANGE,
        RefundRefusal.MORE_THAN_LEFT: Words("less than that is left of the charge", "超过该笔消费的可退金额"),
        RefundRefusal.REASON_MISSING: Words("say why", "请填写理由"),
        RefundRefusal.REASON_TOO_LONG: Words("the reason is too long", "理由过长"),
        RefundRefusal.OTHER_CONTENT: _OTHER,
        AdjustmentRefusal.UNKNOWN_ACCOUNT: _NO_ACCOUNT,
        AdjustmentRefusal.ACCOUNT_CLOSED: Words("the account is closed", "账户已销户"),
        AdjustmentRefusal.UNKNOWN_KIND: Words("only cash and subsidy are adjusted", "只能调整现金或补贴钱包"),
        AdjustmentRefusal.AMOUNT_OUT_OF_RANGE: Words("the difference is nothing or too large", "差额为零或超出上限"),
        AdjustmentRefusal.BELOW_FLOOR: Words("the purse would fall below its floor", "余额将低于下限"),
        AdjustmentRefusal.OTHER_CONTENT: _OTHER,
        PaperRefusal.SLIP_MISSING: Words("a slip has a number of 1 to 40 characters", "纸质单号应为 1 到 40 个字符"),
        PaperRefusal.SLIP_ENTERED: Words("this slip was entered before", "该单据已录入"),
        PaperRefusal.CHARGED_ALREADY: Words(
            "the same meal is charged already: the till's records may have come back", "该餐已有消费记录,可能已补采"
        ),
        PaperRefusal.UNKNOWN_ACCOUNT: _NO_ACCOUNT,
        PaperRefusal.UNKNOWN_TILL: Words("there is no such till", "收银点不存在"),
        PaperRefusal.UNKNOWN_MEAL: Words("there is no such meal", "餐次不存在"),
        PaperRefusal.AMOUNT_OUT_OF_RANGE: _RANGE,
        PaperRefusal.TIME_OUT_OF_RANGE: Words("the meal is in the future or too long ago", "时间在未来或过于久远"),
        RuleRefusal.UNKNOWN_CATEGORY: Words("there is no such category", "人员类别不存在"),
        RuleRefusal.UNKNOWN_KIND: Words("this kind of purse has no rule", "该类钱包不设规则"),
        RuleRefusal.OUT_OF_RANGE: Words("the floor must lie below the highest balance", "下限须低于余额上限"),
        MergeRefusal.SAME_ACCOUNT: Words("these are one account", "两个账户相同"),
        MergeRefusal.UNKNOWN_ACCOUNT: _NO_ACCOUNT,
        MergeRefusal.ACCOUNT_NOT_OPEN: Words("both accounts must be open", "两个账户均须为正常状态"),
    }
)
