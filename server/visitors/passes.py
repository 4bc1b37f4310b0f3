"""What a visitor carries: a signed QR pass, or a card lent from stock. Both die with the visit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import RowMapping

from cardcore.access.items import CardState, Product
from cardcore.card_keys.asks import KeyRefused
from cardcore.clock import to_millis
from cardcore.ids import CardId, LevelId, PersonId, SiteId
from cardcore.qr_pass import PASS_ID_BYTES, QrPass, pass_text
from server.access import service as access
from server.audit.service import Deed
from server.cards import loans
from server.cards import service as cards
from server.cards.loans import Loan
from server.cards.repository import cards_of_person
from server.cards.service import CardRefusal, NewCard
from server.database import WriteSession
from server.keys.service import KeyService
from server.policy import service as policy
from server.system import System
from server.visitors import repository, service
from server.visitors.models import IssuedPass, PassKind, VisitId, VisitorRules, VisitRefusal, VisitState

REVOKE_REASON = "another pass was handed out"


class _KeysLockedError(Exception):
    """The key service does not sign."""


def issue_qr(
    session: WriteSession, system: System, site_id: SiteId, visit_id: VisitId, keys: KeyService, actor: str
) -> IssuedPass | VisitRefusal:
    """Hand out a signed QR pass for an approved visit; for an open one another, and the one before opens nothing."""
    found = _ready(session, site_id, visit_id)
    if isinstance(found, VisitRefusal):
        return found
    visit, how = found
    issuer = keys.issuer(site_id)
    if issuer is None:
        return VisitRefusal.KEYS_LOCKED
    valid_from, valid_until = window(visit, how)
    made = QrPass(
        issuer.issuer_id, system.ids.random_bytes(PASS_ID_BYTES), to_millis(valid_from) // 1000,
        to_millis(valid_until) // 1000, issuer.algorithm,
    )  # fmt: skip
    try:
        text = pass_text(made, _signer(keys, site_id))
    except _KeysLockedError:
        return VisitRefusal.KEYS_LOCKED
    _give_levels(session, system, site_id, visit, actor)
    revoke(session, system, site_id, visit, (actor, REVOKE_REASON))
    number = f"Q{made.pass_id[:6].hex().upper()}"
    new = NewCard(number, Product.VISITOR, (made.credential,), PersonId(visit["person_id"]), valid_from, valid_until)
    card = cards.issue_card(session, system, site_id, new, actor)
    assert not isinstance(card, CardRefusal), f"a drawn pass is new: {card}"
    _open(session, system, site_id, visit, (card, PassKind.QR), actor)
    return IssuedPass(number, text, valid_from, valid_until)


def lend_card(
    session: WriteSession, system: System, site_id: SiteId, visit_id: VisitId, card_number: str, actor: str
) -> IssuedPass | VisitRefusal:
    """Lend a visitor's card from stock, by the number printed on it."""
    found = _ready(session, site_id, visit_id)
    if isinstance(found, VisitRefusal):
        return found
    visit, how = found
    card = repository.card_in_stock(session, site_id, card_number.strip())
    if card is None or card["product"] != Product.VISITOR:
        return VisitRefusal.CARD_UNKNOWN
    if card["state"] != CardState.BLANK:
        return VisitRefusal.CARD_NOT_IN_STOCK
    valid_from, valid_until = window(visit, how)
    _give_levels(session, system, site_id, visit, actor)
    revoke(session, system, site_id, visit, (actor, REVOKE_REASON))
    loan = Loan(CardId(card["id"]), PersonId(visit["person_id"]), valid_until)
    refused = loans.lend(session, system, site_id, loan, actor)
    if refused is not None:
        return VisitRefusal.CARD_NOT_IN_STOCK
    _open(session, system, site_id, visit, (loan.card, PassKind.CARD), actor)
    return IssuedPass(card["number"], "", valid_from, valid_until)


def revoke(session: WriteSession, system: System, site_id: SiteId, visit: RowMapping, deed: tuple[str, str]) -> None:
    """Let a visit's pass open nothing more: a QR pass dies, a lent card sleeps until it is handed in."""
    if visit["card_id"] is None:
        return
    wanted = CardState.REVOKED if visit["pass_kind"] == PassKind.QR else CardState.SUSPENDED
    cards.change_state(session, system, site_id, CardId(visit["card_id"]), wanted, deed)


def window(visit: RowMapping, how: VisitorRules) -> tuple[datetime, datetime]:
    """Return from when to when (exclusive) a visit's pass opens."""
    return (
        visit["starts_at"] - timedelta(minutes=how.early_minutes),
        visit["ends_at"] + timedelta(minutes=how.grace_minutes),
    )


def _ready(session: WriteSession, site_id: SiteId, visit_id: VisitId) -> tuple[RowMapping, VisitorRules] | VisitRefusal:
    visit = repository.lock_visit(session, site_id, visit_id)
    how = service.rules(session, site_id)
    if visit is None or how is None:
        return VisitRefusal.NOT_FOUND
    if visit["state"] not in {VisitState.APPROVED, VisitState.OPEN}:
        return VisitRefusal.WRONG_STATE
    other = repository.open_visit_of(session, visit["person_id"])
    return VisitRefusal.STILL_OPEN if other not in {None, visit_id} else (visit, how)


def _signer(keys: KeyService, site_id: SiteId) -> Callable[[bytes], bytes]:
    def sign(content: bytes) -> bytes:
        signature = keys.sign_credential(site_id, content)
        if isinstance(signature, KeyRefused):
            raise _KeysLockedError(signature.detail)
        return signature

    return sign


def _give_levels(session: WriteSession, system: System, site_id: SiteId, visit: RowMapping, actor: str) -> None:
    levels = [LevelId(level) for level in visit["levels"]]
    access.set_person_levels(session, system, site_id, PersonId(visit["person_id"]), levels, actor)


def _open(
    session: WriteSession,
    system: System,
    site_id: SiteId,
    visit: RowMapping,
    given: tuple[CardId, PassKind],
    actor: str,
) -> None:
    card, kind = given
    repository.open_visit(session, visit["id"], card, kind, system.clock.now())
    held = cards_of_person(session, site_id, visit["person_id"])  # who needs an escort is said by an open visit
    policy.refresh_cards(session, system, site_id, [CardId(row["id"]) for row in held])
    after = {"card": str(card), "pass": kind}
    service.note(
        session,
        system,
        site_id,
        visit["id"],
        Deed(actor, "visit_opened", f"visit:{visit['id']}", {"state": visit["state"]}, after),
    )
