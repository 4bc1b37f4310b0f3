"""Publishing policy and reading it back. The only writer of `policy_state` and `policy_item`.

A service that changed domain rows calls `refresh` or `refresh_cards` in the same transaction: items are always built
from the rows as they stand under the lock of the site's policy row, so two publishers cannot undo each other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

import msgspec

from cardcore.access.decide import STATE_REASONS
from cardcore.access.item_key import item_key
from cardcore.access.items import CardItem, CardState, Item
from cardcore.access.snapshot import Snapshot, StateItem, encode_item, item_digest
from cardcore.ids import CardId, CredentialKey, SiteId
from cardcore.reasons import Reason
from server.access import repository as access_rows
from server.canteen import charging_repository as charging_rows
from server.canteen import menu_repository as menu_rows
from server.canteen import repository as canteen_rows
from server.cards import repository as card_rows
from server.database import ReadSession, WriteSession
from server.policy import builders, repository
from server.system import System

KINDS = frozenset({
    "site", "zone", "schedule", "day", "level", "threat", "lane", "till", "meal", "tariff", "limit", "rate",
    "meal_subsidy", "eligibility", "menu", "card",
})  # fmt: skip
"""Every kind of item a site's rows give."""
_MODULUS = 2**256

Session = ReadSession | WriteSession
Change = Item | str
"""An item to put in place, or the key of one to remove."""


class DeniedCard(NamedTuple):
    """A credential to refuse whatever an older snapshot says, why, and since which version."""

    credential: CredentialKey
    reason: Reason
    version: int


def publish(session: WriteSession, site_id: SiteId, changes: Iterable[Change]) -> int:
    """Write changes as the next version and return it; the version stays when nothing differs from what is stored."""
    state = repository.lock_state(session, site_id)
    wanted = dict((change, b"") if isinstance(change, str) else (item_key(change), encode_item(change))
                  for change in changes)  # fmt: skip
    stored = repository.bodies(session, site_id, wanted)
    changed = {key: body for key, body in wanted.items() if stored.get(key, b"") != body}
    if not changed:
        return state.version
    total, count = int.from_bytes(state.content_hash, "big"), state.item_count
    for key, body in changed.items():
        if key in stored:
            total, count = total - item_digest(key, stored[key]), count - 1
        if body:
            total, count = total + item_digest(key, body), count + 1
    version = state.version + 1
    repository.upsert_items(session, site_id, version, changed)
    digest = (total % _MODULUS).to_bytes(32, "big")
    repository.write_state(session, site_id, repository.PolicyState(version, count, digest))
    return version


def refresh(session: WriteSession, system: System, site_id: SiteId, kinds: Collection[str] = KINDS) -> int:
    """Bring the items of some kinds in line with the domain rows, tell the devices, and return the version."""
    before = repository.lock_state(session, site_id).version
    items = site_items(session, site_id, kinds)
    gone = repository.bodies_of_kinds(session, site_id, kinds).keys() - {item_key(item) for item in items}
    return _announce(session, system, site_id, before, publish(session, site_id, [*items, *sorted(gone)]))


def refresh_cards(session: WriteSession, system: System, site_id: SiteId, card_ids: Collection[CardId]) -> int:
    """Bring the items of some cards in line with their rows, tell the devices, and return the version."""
    before = repository.lock_state(session, site_id).version
    rows = card_rows.policy_rows(session, site_id, card_ids)
    version = publish(session, site_id, [builders.card_item(row) for row in rows])
    return _announce(session, system, site_id, before, version)


def site_items(session: Session, site_id: SiteId, kinds: Collection[str] = KINDS) -> list[Item]:
    """Build the items of some kinds from the domain rows as this transaction sees them."""
    sources = (
        ("site", access_rows.site_rows, builders.site_item),
        ("zone", access_rows.zone_rows, builders.zone_item),
        ("schedule", access_rows.schedule_rows, builders.schedule_item),
        ("day", access_rows.day_rows, builders.day_item),
        ("level", access_rows.level_rows, builders.level_item),
        ("threat", access_rows.threat_rows, builders.threat_item),
        ("lane", access_rows.lane_rows, builders.lane_item),
        ("till", canteen_rows.till_rows, builders.till_item),
        ("meal", canteen_rows.meal_rows, builders.meal_item),
        ("tariff", canteen_rows.tariff_rows, builders.tariff_item),
        ("limit", charging_rows.limit_rows, builders.limit_item),
        ("rate", charging_rows.rate_rows, builders.rate_item),
        ("meal_subsidy", charging_rows.meal_subsidy_rows, builders.meal_subsidy_item),
        ("eligibility", charging_rows.eligibility_rows, builders.eligibility_item),
        ("menu", menu_rows.menu_rows, builders.menu_item),
        ("card", card_rows.policy_rows, builders.card_item),
    )
    return [build(row) for kind, read, build in sources if kind in kinds for row in read(session, site_id)]


def current_version(session: Session, site_id: SiteId) -> int:
    """Return the newest version; 0 for a site that never published."""
    return repository.state(session, site_id).version


def changes_since(session: Session, site_id: SiteId, version: int) -> tuple[int, list[StateItem]]:
    """Return the newest version and what changed after `version`; from 0 this is the whole policy."""
    newest, changed = repository.items_since(session, site_id, version)
    return newest, [StateItem(key, body) for key, body in changed if body or version]


def load_snapshot(session: Session, site_id: SiteId) -> Snapshot:
    """Return the whole policy at its newest version."""
    version, items = changes_since(session, site_id, 0)
    return Snapshot.empty().with_changes(version, items)


RULE_KINDS = frozenset({"site", "zone", "schedule", "day", "level", "threat", "lane"})


def rules_snapshot(session: Session, site_id: SiteId, card_ids: Collection[CardId]) -> Snapshot:
    """Return the policy of lanes with some cards in it and no others, as `decide` needs it for those cards."""
    items: list[Item] = site_items(session, site_id, RULE_KINDS)
    if card_ids:
        items += [builders.card_item(row) for row in card_rows.policy_rows(session, site_id, card_ids)]
    states = [StateItem(item_key(item), encode_item(item)) for item in items]
    return Snapshot.empty().with_changes(current_version(session, site_id), states)


def denied(session: Session, site_id: SiteId) -> list[DeniedCard]:
    """Return every credential whose card is not active, in order of credential."""
    refused: list[DeniedCard] = []
    for version, body in repository.refused_cards(session, site_id):
        item = msgspec.json.decode(body, type=CardItem)
        if item.state is not CardState.ACTIVE:
            refused.append(DeniedCard(item.credential, STATE_REASONS[item.state], version))
    return refused


def verify(session: Session, site_id: SiteId) -> list[str]:
    """Compare the published policy with the domain rows and with its own hash; return what differs, in words."""
    built = {item_key(item): encode_item(item) for item in site_items(session, site_id)}
    stored = {item.key: item.body for item in changes_since(session, site_id, 0)[1]}
    problems = [f"{key} is not published" for key in sorted(built.keys() - stored.keys())]
    problems += [f"{key} is published without a row" for key in sorted(stored.keys() - built.keys())]
    problems += [f"{key} differs from its row" for key in sorted(built) if stored.get(key, built[key]) != built[key]]
    state = repository.state(session, site_id)
    total = sum(item_digest(key, body) for key, body in stored.items()) % _MODULUS
    if (state.item_count, state.content_hash) != (len(stored), total.to_bytes(32, "big")):
        problems.append("the policy's count or content hash does not fit its items")
    return problems


def _announce(session: WriteSession, system: System, site_id: SiteId, before: int, version: int) -> int:
    if version != before:
        repository.insert_notice(session, system.ids.uuid7(), site_id, version, system.clock.now())
    return version
