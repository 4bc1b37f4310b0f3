"""When and from where somebody signed in, or tried to: read from the audit trail, which nobody can shorten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cardcore.ids import SiteId, StaffId
from server.audit import repository
from server.audit.service import staff_actor
from server.database import ReadSession

SIGN_INS = ("signed_in", "sign_in_refused", "second_factor_refused")
SHOWN = 20


@dataclass(frozen=True, slots=True)
class SignInTold:
    """One sign-in, or one in vain; `origin` is as the trail keeps it."""

    at: datetime
    action: str
    origin: str


def sign_ins(session: ReadSession, site_id: SiteId, staff_id: StaffId) -> Sequence[SignInTold]:
    """Return the newest sign-ins of somebody and the ones in vain, at most `SHOWN`, newest first."""
    rows = repository.of_object(session, site_id, staff_actor(staff_id), SIGN_INS)
    return tuple(SignInTold(row["at"], row["action"], row["origin"] or "") for row in rows[:SHOWN])
