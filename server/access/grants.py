"""Access levels of whole groups: a category, a department, a kind of card (A21). Held as long as one belongs to it.

A privileged level is given to people one by one, by two persons, and to no group.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import NamedTuple

from cardcore.access.items import Product
from cardcore.ids import CardId, LevelId, SiteId
from server.access import grant_repository as repository
from server.access import repository as access_rows
from server.access.fields import FieldProblem, FieldRefusal
from server.audit.service import Deed, record
from server.database import ReadSession, WriteSession
from server.people import repository as people_rows
from server.policy import service as policy
from server.system import System


class GrantKind(StrEnum):
    """Which kind of group."""

    CATEGORY = "category"
    DEPARTMENT = "department"
    PRODUCT = "product"


class Group(NamedTuple):
    """A group of holders: everybody of a category or a department, or every holder of such a card."""

    kind: GrantKind
    key: str


def groups_of(session: ReadSession | WriteSession, site_id: SiteId) -> dict[str, list[Group]]:
    """Return the groups that hold each level, by level, in order."""
    found: dict[str, list[Group]] = {}
    for row in repository.rows(session, site_id):
        found.setdefault(row["level_id"], []).append(Group(GrantKind(row["kind"]), row["key"]))
    return found


def put_groups(
    session: WriteSession, system: System, site_id: SiteId, level_id: LevelId, groups: Collection[Group], actor: str
) -> FieldProblem | None:
    """Give a level to exactly these groups; the cards of those who gain or lose it are published."""
    about = f"level {level_id}"
    row = next((row for row in access_rows.level_rows(session, site_id) if row["id"] == level_id), None)
    if row is None:
        return FieldProblem(about, "id", FieldRefusal.UNKNOWN, f"there is no {about}", level_id)
    if row["privileged"] and groups:
        advice = "a privileged level is given to people one by one, by two persons"
        return FieldProblem(about, "groups", FieldRefusal.CONTRADICTION, advice)
    for group in sorted(set(groups)):
        if group.key not in _known(session, site_id, group.kind):
            advice = f"there is no {group.kind} {group.key}"
            return FieldProblem(about, "groups", FieldRefusal.UNKNOWN, advice, group.key)
    before = set(groups_of(session, site_id).get(level_id, ()))
    changed = before ^ set(groups)
    if not changed:
        return None
    repository.replace(session, site_id, level_id, sorted(set(groups)))
    was, now = ([":".join(group) for group in sorted(some)] for some in (before, set(groups)))
    record(session, system, site_id, Deed(actor, "level_groups_set", f"level:{level_id}", was, now))
    cards = repository.cards_of(session, site_id, sorted(changed))
    policy.refresh_cards(session, system, site_id, [CardId(card) for card in cards])
    return None


def _known(session: WriteSession, site_id: SiteId, kind: GrantKind) -> Collection[str]:
    match kind:
        case GrantKind.CATEGORY:
            return people_rows.category_ids(session, site_id)
        case GrantKind.DEPARTMENT:
            return people_rows.department_ids(session, site_id)
        case GrantKind.PRODUCT:
            return {product.value for product in Product}
