"""What to tell who asked or approved in vain, in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from server.approvals.models import ApprovalRefusal


class Words(NamedTuple):
    """One text in both languages."""

    en: str
    zh: str


TEXTS: Mapping[ApprovalRefusal, Words] = MappingProxyType(
    {
        ApprovalRefusal.NOT_FOUND: Words("there is no such request", "申请不存在"),
        ApprovalRefusal.NOT_ALLOWED: Words("your role may not do this", "您的角色无此权限"),
        ApprovalRefusal.PERSON_UNKNOWN: Words(
            "nobody said who stands behind this login: onecard user person LOGIN NUMBER",
            "该登录名未绑定人员:onecard user person 登录名 工号",
        ),
        ApprovalRefusal.SAME_PERSON: Words("another person must approve it", "须由另一人审批"),
        ApprovalRefusal.OWN_MATTER: Words("it concerns you: others must do it", "涉及本人,须由他人办理"),
        ApprovalRefusal.MAKER_GONE: Words("who asked may no longer ask for this", "申请人已无此权限"),
        ApprovalRefusal.EXPIRED: Words("the request has expired: ask again", "申请已过期,请重新提交"),
        ApprovalRefusal.DECIDED: Words("somebody decided it before", "该申请已被处理"),
        ApprovalRefusal.CHANGED: Words("the request is not the one you read: read it again", "申请内容已变,请重新查看"),
        ApprovalRefusal.ALREADY_ASKED: Words("the same request waits already", "相同申请正在等待审批"),
        ApprovalRefusal.TOO_MANY: Words("too many of your requests wait", "您等待审批的申请过多"),
        ApprovalRefusal.TOO_LONG: Words("the reason or the request is too long", "理由或内容过长"),
        ApprovalRefusal.REASON_MISSING: Words("say why", "请填写理由"),
        ApprovalRefusal.OPERATION_REFUSED: Words("it could not be carried out", "审批通过,但无法执行"),
    }
)


def text_of(refusal: ApprovalRefusal, *, chinese: bool) -> str:
    """Return the words for a refusal."""
    words = TEXTS[refusal]
    return words.zh if chinese else words.en
