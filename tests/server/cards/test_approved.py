"""Putting a card back into use: an issuer asks, a security officer approves, and neither for the own card."""

from __future__ import annotations

from cardcore.access.items import CardState, Product
from cardcore.ids import CardId, CredentialKey, PersonId, SiteId
from server.approvals import service
from server.approvals.models import ApprovalRefusal
from server.approvals.operations import OPERATIONS
from server.cards import service as cards
from server.cards.approved import UNBLOCK, Unblock
from server.database import Database
from server.staff.roles import Role
from server.system import System
from tests.server.conftest import Hire


def lost_card(database: Database, system: System, site: SiteId, holder: PersonId) -> CardId:
    number = str(holder.int % 10**8).zfill(8)
    new = cards.NewCard(number, Product.COMBINED, (CredentialKey(f"uid:{number}"),), holder)
    card = database.write(lambda session: cards.issue_card(session, system, site, new, "test"))
    assert not isinstance(card, cards.CardRefusal)
    database.write(lambda session: cards.report_lost(session, system, site, card, "test"))
    return card


def state_of(database: Database, site: SiteId, card: CardId) -> str:
    row = database.read(lambda session: cards.get(session, site, card))
    assert row is not None
    return str(row["state"])


def test_two_people_put_a_found_card_back(database: Database, system: System, site: SiteId, hire: Hire) -> None:
    (issuer, _), (officer, own), (other, _) = (
        hire(Role.ISSUER), hire(Role.SECURITY_OFFICER), hire(Role.SECURITY_OFFICER),
    )  # fmt: skip
    card = lost_card(database, system, site, own)
    approval = database.write(
        lambda session: service.ask(session, system, site, issuer, UNBLOCK, Unblock(card), "found at the gate")
    )
    assert not isinstance(approval, ApprovalRefusal)
    request = database.read(lambda session: service.get(session, site, approval))
    assert request is not None
    ends = [
        database.write(
            lambda session, who=who: service.approve(  # type: ignore[misc]
                session, system, site, approval, (who, request.seen), OPERATIONS
            )
        )
        for who in (officer, other)
    ]
    assert ends == [ApprovalRefusal.OWN_MATTER, None]
    assert state_of(database, site, card) == CardState.ACTIVE
    (newest, *_) = database.read(lambda session: cards.history(session, site, card))
    assert (newest["actor"], newest["reason"]) == (f"staff:{issuer}", "found at the gate")


def test_a_card_revoked_meanwhile_stays_revoked(database: Database, system: System, site: SiteId, hire: Hire) -> None:
    (issuer, _), (officer, _), (_, holder) = hire(Role.ISSUER), hire(Role.SECURITY_OFFICER), hire(Role.CASHIER)
    card = lost_card(database, system, site, holder)
    approval = database.write(lambda session: service.ask(session, system, site, issuer, UNBLOCK, Unblock(card), "why"))
    assert not isinstance(approval, ApprovalRefusal)
    request = database.read(lambda session: service.get(session, site, approval))
    assert request is not None
    revoked = ("test", "stolen")
    database.write(lambda session: cards.change_state(session, system, site, card, CardState.REVOKED, revoked))
    end = database.write(
        lambda session: service.approve(session, system, site, approval, (officer, request.seen), OPERATIONS)
    )
    assert end is ApprovalRefusal.OPERATION_REFUSED
    assert state_of(database, site, card) == CardState.REVOKED
