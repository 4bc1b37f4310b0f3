"""Every reason a tap can be granted or refused for, in one enumeration.

A member's value is the word in the log, on the wire and in reports, the metric label and the key of its texts
(`cardcore.texts`). Values are never renamed or reused: stored records carry them.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a tap ended as it did. The first group grants, all others refuse."""

    GRANTED = "granted"
    CHARGED = "charged"
    FREE_LANE = "free_lane"
    GRANTED_AGAIN = "granted_again"
    """Granted, and noted: the holder was inside already (soft anti-passback)."""
    GRANTED_FULL = "granted_full"
    """Granted, and noted: the zone holds as many people as it should."""

    # the card could not prove anything
    CARD_UNREADABLE = "card_unreadable"
    CARD_MOVED = "card_moved"
    CARD_NOT_GENUINE = "card_not_genuine"
    CARD_UNKNOWN_TYPE = "card_unknown_type"
    CARD_TIMEOUT = "card_timeout"
    CARD_OF_OTHER_SITE = "card_of_other_site"
    CARD_INCOMPLETE = "card_incomplete"
    """Its personalisation was torn, or never begun."""
    CARD_IN_USE = "card_in_use"
    """It was personalised before and is not overwritten."""
    CARD_KEY_EPOCH = "card_key_epoch"
    """Its keys are of an epoch that is not accepted (any more)."""
    KEYS_UNAVAILABLE = "keys_unavailable"
    """Nobody could check the card: the key service did not answer."""
    POSSIBLY_STALE = "possibly_stale"

    # the card is known, or not, and is in a state
    CARD_UNKNOWN = "card_unknown"
    CARD_NOT_ISSUED = "card_not_issued"
    CARD_SUSPENDED = "card_suspended"
    CARD_LOST = "card_lost"
    CARD_STOLEN = "card_stolen"
    CARD_DAMAGED = "card_damaged"
    CARD_RETURNED = "card_returned"
    CARD_REVOKED = "card_revoked"
    CARD_SUPERSEDED = "card_superseded"
    CARD_NOT_YET_VALID = "card_not_yet_valid"
    CARD_EXPIRED = "card_expired"
    ASSURANCE_TOO_LOW = "assurance_too_low"

    # the way
    PRODUCT_NOT_FOR_GATE = "product_not_for_gate"
    NO_ACCESS_HERE = "no_access_here"
    NO_ACCESS_NOW = "no_access_now"
    LOCKED_DOWN = "locked_down"
    INSIDE_ALREADY = "inside_already"
    ENTERED_JUST_NOW = "entered_just_now"
    ZONE_FULL = "zone_full"
    PROOF_MISSING = "proof_missing"
    """The zone asks for something that the holder never showed."""
    PROOF_EXPIRED = "proof_expired"
    PERMIT_MISSING = "permit_missing"
    """A worker of an outside crew without a permit in force."""
    ESCORT_NEEDED = "escort_needed"
    SECOND_PERSON_NEEDED = "second_person_needed"
    """The first of two was let in by nobody yet: the second must tap within seconds."""
    LANE_UNKNOWN = "lane_unknown"
    LANE_LOCKED = "lane_locked"
    LANE_BUSY = "lane_busy"
    LANE_INTERLOCKED = "lane_interlocked"
    """Another lane of the same interlock is open."""
    LANE_NOT_READY = "lane_not_ready"

    # the meal
    PRODUCT_NOT_FOR_CANTEEN = "product_not_for_canteen"
    TILL_UNKNOWN = "till_unknown"
    NO_MEAL_NOW = "no_meal_now"
    NO_PRICE = "no_price"
    ACCOUNT_FROZEN = "account_frozen"
    ACCOUNT_CLOSED = "account_closed"
    BALANCE_TOO_LOW = "balance_too_low"
    MEAL_LIMIT = "meal_limit"
    REPEAT_TAP = "repeat_tap"
    TILL_CLOSED = "till_closed"
    NOT_ELIGIBLE = "not_eligible"
    MODE_UNKNOWN = "mode_unknown"
    AMOUNT_MISSING = "amount_missing"
    AMOUNT_UNEXPECTED = "amount_unexpected"
    AMOUNT_TOO_HIGH = "amount_too_high"
    PRICE_CHANGED = "price_changed"
    NO_CREDIT = "no_credit"
    NOT_INSIDE = "not_inside"
    ALREADY_INSIDE = "already_inside"
    NO_ORDER = "no_order"
    TAP_LIMIT = "tap_limit"
    DAY_LIMIT = "day_limit"
    MONTH_LIMIT = "month_limit"
    PIN_NEEDED = "pin_needed"
    PIN_WRONG = "pin_wrong"
    PIN_BLOCKED = "pin_blocked"
    COUNT_USED_UP = "count_used_up"

    # a charge taken back at the till
    UNDONE = "undone"
    NOTHING_TO_UNDO = "nothing_to_undo"
    UNDO_TOO_LATE = "undo_too_late"
    UNDO_OTHER_CARD = "undo_other_card"

    # deciding without the server
    SNAPSHOT_MISSING = "snapshot_missing"
    SNAPSHOT_TOO_OLD = "snapshot_too_old"
    OFFLINE_TAP_CAP = "offline_tap_cap"
    OFFLINE_CARD_CAP = "offline_card_cap"
    OFFLINE_TILL_COUNT_CAP = "offline_till_count_cap"
    OFFLINE_TILL_SUM_CAP = "offline_till_sum_cap"
    OFFLINE_TOO_LONG = "offline_too_long"
    OFFLINE_NOT_PROVED = "offline_not_proved"

    # the machine itself
    STORE_FAILED = "store_failed"
    SERVER_FAULT = "server_fault"
    NOT_DECIDED = "not_decided"
    """The device lost power, or was killed, before anybody had decided."""

    @property
    def grants(self) -> bool:
        """Whether this reason lets the holder pass or eat."""
        return self in GRANTING


GRANTING = frozenset({Reason.GRANTED, Reason.CHARGED, Reason.FREE_LANE, Reason.GRANTED_AGAIN, Reason.GRANTED_FULL})

ALARMING = frozenset({Reason.CARD_LOST, Reason.CARD_STOLEN, Reason.CARD_NOT_GENUINE, Reason.CARD_SUPERSEDED})
"""Refusals that a guard must see as an alarm, because somebody holds what they should not."""
