"""What a daemon is told in so many words: the decision of a live tap, and that it was revoked. Pure."""

from __future__ import annotations

from cardcore.ids import TapKey
from cardcore.reasons import Reason
from cardcore.wire.messages import Goodbye, GoodbyeCode, RecordStatus, TapDecision
from server.taps.arrivals import LiveDecision, Receipt

USABLE = frozenset({RecordStatus.STORED, RecordStatus.DUPLICATE})
"""What was not set aside."""


def revoked() -> Goodbye:
    """Return what a revoked device is told."""
    advice = "This device was revoked. Enrol it again with a new one-time code: onecard device code NAME."
    return Goodbye(GoodbyeCode.REVOKED, advice)


def set_aside(receipt: Receipt) -> int:
    """Count the records of an arrival that went into quarantine."""
    return sum(status not in USABLE for _, status in receipt.statuses)


def decision(key: TapKey, receipt: Receipt, decided: LiveDecision) -> TapDecision:
    """Return the answer to a live tap; one that was set aside opens nothing."""
    status = receipt.statuses[0][1]
    usable = status in USABLE
    return TapDecision(
        epoch=key.epoch,
        seq=key.seq,
        status=status,
        granted=decided.granted and usable,
        reason=decided.reason if usable else Reason.SERVER_FAULT,
        policy_version=decided.policy_version,
        acked_through=receipt.acked_through,
        amount=decided.amount,
        balance_after=decided.balance_after,
        meal=decided.meal,
        holder=decided.holder,
        discount=decided.discount,
        surcharge=decided.surcharge,
        rights=decided.rights,
        credit=decided.credit,
        subsidy=decided.subsidy,
    )
