"""How tills charge as they stand, and the most that they can lose while they decide alone, from their caps (N5)."""

from __future__ import annotations

from dataclasses import dataclass

from cardcore.canteen.offline import till_bound
from cardcore.ids import SiteId
from cardcore.money import Fen
from server.canteen import repository
from server.canteen.charging import TillCharging
from server.database import ReadSession
from server.policy.builders import Row, till_item

MAX_BAD_CARDS = 1_000_000


@dataclass(frozen=True, slots=True)
class TillExposure:
    """What one till can serve in one spell alone: to some bad cards, and to any cards at all."""

    till: str
    stall: str
    bad_cards_fen: Fen
    any_card_fen: Fen


def charging_of(row: Row) -> TillCharging:
    """Return how a till of `till_rows` charges now."""
    item = till_item(row)
    return TillCharging(
        item.mode, item.amount, item.payer, item.ordered, item.turns, item.key_prices, item.opening,
        item.without_meal, item.presence, item.zone, item.serves_unproved, item.undo_minutes, item.undo_code,
        item.offline_tap_cap, item.offline_card_cap, item.offline_count_cap, item.offline_sum_cap,
        item.offline_hours_cap, item.offline_list_hours_cap,
    )  # fmt: skip


def exposures(session: ReadSession, site_id: SiteId, bad_cards: int) -> list[TillExposure]:
    """Return the bound of every till, in order of till; `bad_cards` are the cards lost and not yet on its list."""
    tills = [till_item(row) for row in repository.till_rows(session, site_id)]
    return [TillExposure(till.id, till.stall, till_bound(till, bad_cards), till_bound(till)) for till in tills]
