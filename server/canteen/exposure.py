"""The most that tills can lose while they decide alone, from their caps as they stand (N5)."""

from __future__ import annotations

from dataclasses import dataclass

from cardcore.canteen.offline import till_bound
from cardcore.ids import SiteId
from cardcore.money import Fen
from server.canteen import repository
from server.database import ReadSession
from server.policy.builders import till_item

MAX_BAD_CARDS = 1_000_000


@dataclass(frozen=True, slots=True)
class TillExposure:
    """What one till can serve in one spell alone: to some bad cards, and to any cards at all."""

    till: str
    stall: str
    bad_cards_fen: Fen
    any_card_fen: Fen


def exposures(session: ReadSession, site_id: SiteId, bad_cards: int) -> list[TillExposure]:
    """Return the bound of every till, in order of till; `bad_cards` are the cards lost and not yet on its list."""
    tills = [till_item(row) for row in repository.till_rows(session, site_id)]
    return [TillExposure(till.id, till.stall, till_bound(till, bad_cards), till_bound(till)) for till in tills]
