"""What people are told for each reason: English, Chinese, and the few ASCII characters of a reader's display.

The display text has at most 16 characters, the width of the smallest OSDP text display (1x16, PDCAP function 6).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from cardcore.reasons import Reason

DISPLAY_WIDTH = 16
"""Characters of the smallest OSDP text display."""


class ReasonText(NamedTuple):
    """One reason in words."""

    en: str
    zh: str
    display: str
    """ASCII, at most `DISPLAY_WIDTH` characters."""


REASON_TEXTS: Mapping[Reason, ReasonText] = {
    Reason.GRANTED: ReasonText("Please pass", "请通行", "PLEASE PASS"),
    Reason.CHARGED: ReasonText("Meal charged", "消费成功", "ENJOY YOUR MEAL"),
    Reason.FREE_LANE: ReasonText("Lane is open to all", "通道开放", "LANE OPEN"),
    Reason.GRANTED_AGAIN: ReasonText("Please pass (you were inside already)", "请通行（您已在内）", "PLEASE PASS"),
    Reason.GRANTED_FULL: ReasonText("Please pass (the area is full)", "请通行（区域人数已满）", "PLEASE PASS"),
    Reason.CARD_UNREADABLE: ReasonText("Card could not be read; hold it still", "读卡失败，请重新贴卡", "TRY AGAIN"),
    Reason.CARD_MOVED: ReasonText("Card was moved too early", "卡片移开过早，请重新贴卡", "HOLD CARD STILL"),
    Reason.CARD_NOT_GENUINE: ReasonText("Card failed its proof", "卡片认证失败，疑似伪卡", "CARD NOT VALID"),
    Reason.CARD_UNKNOWN_TYPE: ReasonText("Not a card of this site", "非本系统卡片", "WRONG CARD"),
    Reason.CARD_TIMEOUT: ReasonText("Card did not answer in time", "卡片响应超时", "TRY AGAIN"),
    Reason.CARD_OF_OTHER_SITE: ReasonText("Card of another site", "其他单位的卡片", "OTHER SITE"),
    Reason.CARD_INCOMPLETE: ReasonText("Card is not finished; see the desk", "卡片未制作完成", "SEE CARD DESK"),
    Reason.CARD_IN_USE: ReasonText("Card is issued already", "卡片已发放，不可覆盖", "CARD IN USE"),
    Reason.CARD_KEY_EPOCH: ReasonText("Card's keys are outdated; renew it", "卡片密钥已过期，请更换", "RENEW CARD"),
    Reason.KEYS_UNAVAILABLE: ReasonText("Card cannot be checked now", "暂时无法验证卡片，请重试", "TRY AGAIN"),
    Reason.POSSIBLY_STALE: ReasonText("The line held the tap back; tap again", "线路恢复中，请重新刷卡", "TAP AGAIN"),
    Reason.CARD_UNKNOWN: ReasonText("Card is not registered", "卡片未登记", "UNKNOWN CARD"),
    Reason.CARD_NOT_ISSUED: ReasonText("Card is registered but not issued", "卡片尚未发放", "CARD NOT ISSUED"),
    Reason.CARD_SUSPENDED: ReasonText("Card is suspended", "卡片已冻结", "CARD SUSPENDED"),
    Reason.CARD_LOST: ReasonText("Card was reported lost", "卡片已挂失", "CARD LOST"),
    Reason.CARD_STOLEN: ReasonText("Card was reported stolen", "卡片已报失窃", "CARD STOLEN"),
    Reason.CARD_DAMAGED: ReasonText("Card was reported damaged", "卡片已报损", "CARD DAMAGED"),
    Reason.CARD_RETURNED: ReasonText("Card was returned", "卡片已退回", "CARD RETURNED"),
    Reason.CARD_REVOKED: ReasonText("Card was revoked", "卡片已注销", "CARD REVOKED"),
    Reason.CARD_SUPERSEDED: ReasonText("A newer card replaced this one", "卡片已被新卡取代", "OLD CARD"),
    Reason.CARD_NOT_YET_VALID: ReasonText("Card is not valid yet", "卡片尚未生效", "NOT YET VALID"),
    Reason.CARD_EXPIRED: ReasonText("Card has expired", "卡片已过期", "CARD EXPIRED"),
    Reason.ASSURANCE_TOO_LOW: ReasonText("This lane needs a secure card", "此处须使用安全卡", "SECURE CARD ONLY"),
    Reason.PRODUCT_NOT_FOR_GATE: ReasonText("Canteen-only card", "仅限食堂使用", "CANTEEN ONLY"),
    Reason.NO_ACCESS_HERE: ReasonText("No right to pass here", "无此处通行权限", "NO ACCESS HERE"),
    Reason.NO_ACCESS_NOW: ReasonText("No right to pass at this time", "此时段不可通行", "NO ACCESS NOW"),
    Reason.LOCKED_DOWN: ReasonText("The area is locked down", "区域已封闭", "LOCKED DOWN"),
    Reason.INSIDE_ALREADY: ReasonText(
        "You are inside already; see the guard", "您已在内，请联系保安", "ALREADY INSIDE"
    ),
    Reason.ENTERED_JUST_NOW: ReasonText("This card entered moments ago", "该卡刚刚通行过，请稍后", "USED JUST NOW"),
    Reason.ZONE_FULL: ReasonText("The area is full; please wait", "区域人数已满，请稍候", "AREA IS FULL"),
    Reason.PROOF_MISSING: ReasonText("A required proof is missing", "缺少准入资质", "PROOF MISSING"),
    Reason.PROOF_EXPIRED: ReasonText("A required proof has expired", "准入资质已过期", "PROOF EXPIRED"),
    Reason.PERMIT_MISSING: ReasonText(
        "No work permit in force; see the gate desk", "无有效施工许可，请到登记处", "NO PERMIT"
    ),
    Reason.ESCORT_NEEDED: ReasonText("Pass right after your host", "请由接待人陪同通行", "FOLLOW YOUR HOST"),
    Reason.SECOND_PERSON_NEEDED: ReasonText("Second person, please tap", "请第二人刷卡", "SECOND CARD"),
    Reason.LANE_INTERLOCKED: ReasonText("Wait until the other door is shut", "请等待另一道门关闭", "OTHER DOOR OPEN"),
    Reason.LANE_UNKNOWN: ReasonText("Reader is not assigned to a lane", "读卡器未绑定通道", "NOT IN SERVICE"),
    Reason.LANE_LOCKED: ReasonText("Lane is locked", "通道已锁闭", "LANE LOCKED"),
    Reason.LANE_BUSY: ReasonText("Lane is in use, please wait", "通道使用中，请稍候", "PLEASE WAIT"),
    Reason.LANE_NOT_READY: ReasonText("Lane is not ready; use another", "通道未就绪，请走其他通道", "USE OTHER LANE"),
    Reason.PRODUCT_NOT_FOR_CANTEEN: ReasonText("Gate-only card", "仅限门禁使用", "GATE ONLY"),
    Reason.TILL_UNKNOWN: ReasonText("Reader is not assigned to a till", "读卡器未绑定消费机", "NOT IN SERVICE"),
    Reason.NO_MEAL_NOW: ReasonText("No meal is served now", "当前非用餐时段", "NO MEAL NOW"),
    Reason.NO_PRICE: ReasonText("No price is set for this meal", "本餐次未设定价格", "NO PRICE SET"),
    Reason.ACCOUNT_FROZEN: ReasonText("Account is frozen", "账户已冻结", "ACCOUNT FROZEN"),
    Reason.ACCOUNT_CLOSED: ReasonText("Account is closed", "账户已销户", "ACCOUNT CLOSED"),
    Reason.BALANCE_TOO_LOW: ReasonText("Balance is too low", "余额不足", "BALANCE TOO LOW"),
    Reason.MEAL_LIMIT: ReasonText("Meal limit reached", "本餐次数已达上限", "MEAL LIMIT"),
    Reason.REPEAT_TAP: ReasonText("Already charged a moment ago", "请勿重复刷卡", "ALREADY CHARGED"),
    Reason.TILL_CLOSED: ReasonText("Till is closed at this time", "消费机未到营业时间", "TILL CLOSED"),
    Reason.NOT_ELIGIBLE: ReasonText("Not entitled to eat here in this meal", "本餐次无此处就餐资格", "NOT ENTITLED"),
    Reason.MODE_UNKNOWN: ReasonText("Till cannot charge in this mode", "消费机不支持此模式", "NOT IN SERVICE"),
    Reason.AMOUNT_MISSING: ReasonText("Key the amount first", "请先输入金额", "KEY AMOUNT FIRST"),
    Reason.AMOUNT_UNEXPECTED: ReasonText("No amount is keyed in this mode", "此模式无需输入金额", "CLEAR THE AMOUNT"),
    Reason.AMOUNT_TOO_HIGH: ReasonText("Amount is too high", "金额过大", "AMOUNT TOO HIGH"),
    Reason.PRICE_CHANGED: ReasonText("Price has changed; key it again", "价格已变动，请重新输入", "PRICE CHANGED"),
    Reason.NO_CREDIT: ReasonText("No department pays for this card", "本卡无记账部门", "NO CREDIT"),
    Reason.NOT_INSIDE: ReasonText("Come in through the gate first", "今日未入院，不可就餐", "PASS GATE FIRST"),
    Reason.ALREADY_INSIDE: ReasonText("Came in today; eats inside", "今日已入院，请在院内就餐", "EAT INSIDE"),
    Reason.NO_ORDER: ReasonText("No meal was ordered", "未订餐", "NOT ORDERED"),
    Reason.TAP_LIMIT: ReasonText("Above the limit of one charge", "超过单笔限额", "OVER TAP LIMIT"),
    Reason.DAY_LIMIT: ReasonText("Limit of the day reached", "已达当日限额", "DAY LIMIT"),
    Reason.MONTH_LIMIT: ReasonText("Limit of the month reached", "已达当月限额", "MONTH LIMIT"),
    Reason.PIN_NEEDED: ReasonText("Over the limit: key the PIN, then tap", "超过限额：输入密码后刷卡", "KEY PIN, TAP"),
    Reason.PIN_WRONG: ReasonText("PIN is wrong", "密码错误", "WRONG PIN"),
    Reason.PIN_BLOCKED: ReasonText("PIN is blocked; ask the card office", "密码已锁定，请联系卡务", "PIN BLOCKED"),
    Reason.COUNT_USED_UP: ReasonText("No meals left on the count purse", "次数已用完", "NO MEALS LEFT"),
    Reason.UNDONE: ReasonText("Charge was taken back", "已取消上笔消费", "CHARGE UNDONE"),
    Reason.NOTHING_TO_UNDO: ReasonText("No charge to take back", "没有可取消的消费", "NOTHING TO UNDO"),
    Reason.UNDO_TOO_LATE: ReasonText("Too late to take back here", "已超过可取消时间", "TOO LATE TO UNDO"),
    Reason.UNDO_OTHER_CARD: ReasonText("Show the card that was charged", "请出示原消费卡", "SHOW SAME CARD"),
    Reason.OFFLINE_NOT_PROVED: ReasonText("Cannot be checked without the server", "脱机时无法核验", "CANNOT CHECK NOW"),
    Reason.SNAPSHOT_MISSING: ReasonText("Out of service: no card list yet", "暂停服务：尚无名单", "OUT OF SERVICE"),
    Reason.SNAPSHOT_TOO_OLD: ReasonText("Out of service: card list too old", "暂停服务：名单过期", "OUT OF SERVICE"),
    Reason.OFFLINE_TAP_CAP: ReasonText("Above the offline limit a tap", "超过脱机单笔限额", "OFFLINE LIMIT"),
    Reason.OFFLINE_CARD_CAP: ReasonText("Offline limit of this card reached", "本卡脱机次数已达上限", "OFFLINE LIMIT"),
    Reason.OFFLINE_TILL_COUNT_CAP: ReasonText("Till holds too many offline meals", "消费机脱机笔数已满", "TILL LIMIT"),
    Reason.OFFLINE_TILL_SUM_CAP: ReasonText("Till holds too much offline money", "消费机脱机金额已满", "TILL LIMIT"),
    Reason.OFFLINE_TOO_LONG: ReasonText("Till has been offline too long", "消费机脱机时间过长", "OUT OF SERVICE"),
    Reason.STORE_FAILED: ReasonText("Out of service: no room for records", "暂停服务：无法保存记录", "OUT OF SERVICE"),
    Reason.NOT_DECIDED: ReasonText("Interrupted before a decision; tap again", "处理中断，请重新刷卡", "TAP AGAIN"),
    Reason.SERVER_FAULT: ReasonText("Server could not decide; try again", "系统繁忙，请重试", "TRY AGAIN"),
}
