"""Why a desk booked nothing, in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from server.approvals.texts import Words
from server.cashdesk.models import DeskRefusal
from server.ledger.holder_transfer import PassOnRefusal
from server.payments.models import PaymentRefusal

_RANGE = Words("the amount is nothing, negative or too large", "金额为零、为负或超出上限")
_NO_ACCOUNT = Words("there is no such account", "账户不存在")
_NOT_OPEN = Words("the account is frozen or closed", "账户已冻结或已销户")
_HIGHEST = Words("the purse would hold more than its category may", "将超过该类人员余额上限")
_TOO_LOW = Words("there is not enough in the purse", "钱包余额不足")
_LONG = Words("the note is too long", "备注过长")
_OTHER = Words("the same request stands for something else", "相同编号已用于其他内容")

TEXTS: Mapping[StrEnum, Words] = MappingProxyType(
    {
        DeskRefusal.DESK_UNUSABLE: Words(
            "a desk's name has small letters, digits and -", "柜台名由小写字母、数字和-组成"
        ),
        DeskRefusal.DESK_BUSY: Words("the desk, or the operator, has a shift open", "该柜台或操作员已有未结班次"),
        DeskRefusal.SHIFT_UNKNOWN: Words("no shift is open: onecard desk open", "没有开班：请先 onecard desk open"),
        DeskRefusal.SHIFT_CLOSED: Words("the shift is closed", "班次已结束"),
        DeskRefusal.NOT_YOUR_SHIFT: Words("this is somebody else's shift", "不是本人的班次"),
        DeskRefusal.OWN_ACCOUNT: Words("this is your own account: let a colleague do it", "这是本人账户：请由同事办理"),
        DeskRefusal.COUNTS_DIFFER: Words("both counted different sums: count together", "双方清点不一致：请共同复点"),
        DeskRefusal.AMOUNT_OUT_OF_RANGE: _RANGE,
        DeskRefusal.NOTE_TOO_LONG: _LONG,
        DeskRefusal.REASON_MISSING: Words("say why", "请填写理由"),
        DeskRefusal.UNKNOWN_ACCOUNT: _NO_ACCOUNT,
        DeskRefusal.ACCOUNT_NOT_OPEN: _NOT_OPEN,
        DeskRefusal.ABOVE_HIGHEST: _HIGHEST,
        DeskRefusal.BALANCE_TOO_LOW: _TOO_LOW,
        DeskRefusal.DEBT_OPEN: Words(
            "the account owes: let it be paid first, or --claim-debt", "账户欠款：请先还清，或使用 --claim-debt"
        ),
        DeskRefusal.TILLS_SILENT: Words(
            "tills that cannot be reached may still hold meals: wait, or --despite-silent-tills",
            "有消费机失联，可能仍有未上传消费：请等待，或使用 --despite-silent-tills",
        ),
        DeskRefusal.DRAWER_TOO_LOW: Words("there is less cash in the drawer", "钱箱现金不足"),
        DeskRefusal.TOPUP_UNKNOWN: Words("there is no such cash top-up", "没有这笔现金充值"),
        DeskRefusal.REVERSED_BEFORE: Words("it was taken back before", "该充值已冲正"),
        DeskRefusal.ALREADY_SPENT: Words("the holder has spent of it", "该充值已被消费"),
        DeskRefusal.OTHER_CONTENT: _OTHER,
        PassOnRefusal.AMOUNT_OUT_OF_RANGE: _RANGE,
        PassOnRefusal.NOTE_TOO_LONG: _LONG,
        PassOnRefusal.SAME_ACCOUNT: Words("these are one account", "两个账户相同"),
        PassOnRefusal.UNKNOWN_ACCOUNT: _NO_ACCOUNT,
        PassOnRefusal.ACCOUNT_NOT_OPEN: _NOT_OPEN,
        PassOnRefusal.BALANCE_TOO_LOW: _TOO_LOW,
        PassOnRefusal.ABOVE_HIGHEST: _HIGHEST,
        PassOnRefusal.OTHER_CONTENT: _OTHER,
        PaymentRefusal.AMOUNT_OUT_OF_RANGE: _RANGE,
        PaymentRefusal.UNKNOWN_ACCOUNT: _NO_ACCOUNT,
        PaymentRefusal.ACCOUNT_NOT_OPEN: _NOT_OPEN,
        PaymentRefusal.ABOVE_HIGHEST: _HIGHEST,
        PaymentRefusal.TOO_MANY_PENDING: Words("too many orders of this account wait", "该账户待支付订单过多"),
        PaymentRefusal.UNKNOWN_PROVIDER: Words("payments.toml has no such provider", "payments.toml 中没有该支付渠道"),
        PaymentRefusal.OTHER_CONTENT: _OTHER,
    }
)
