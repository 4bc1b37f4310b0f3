"""A visit from its pass to its end: what opens when, and what dies by itself."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from cardcore.access.items import CardState, Product
from cardcore.access.moments import HostPassage, LaneMoment
from cardcore.ids import CardId, CredentialKey
from cardcore.qr_pass import verified_pass
from cardcore.reasons import Reason
from server.alarms import service as alarms
from server.cards import service as cards
from server.keys.service import KeyService
from server.visitors import ending
from server.visitors.documents import DocumentKind
from server.visitors.models import IssuedPass, VisitId, VisitRefusal, VisitState
from tests.server.conftest import NOON, StillClock
from tests.server.visitors.lobby import HALL, OUTSIDE, VISIT, WAY_IN, WAY_OUT, Lobby

_R = VisitRefusal


def check_out(lobby: Lobby, visit: VisitId, *, card_returned: bool) -> VisitRefusal | None:
    return lobby.write(
        lambda session, system, site: ending.check_out(
            session, system, site, visit, ("staff:clerk", ""), card_returned=card_returned
        )
    )


def extend(lobby: Lobby, visit: VisitId, hours: int) -> VisitRefusal | None:
    ends_at = NOON + timedelta(hours=hours)
    return lobby.write(lambda session, system, site: ending.extend(session, system, site, visit, ends_at, "x"))


def card_state(lobby: Lobby, visit: VisitId) -> CardState:
    card = CardId(lobby.row(visit)["card_id"])  # type: ignore[arg-type]
    row = lobby.database.read(lambda session: cards.get(session, lobby.site, card))
    assert row is not None
    return CardState(row["state"])


def test_a35_s02_a_visitor_with_an_escort_comes_in_behind_the_host_and_leaves_alone(lobby: Lobby) -> None:
    assert lobby.rules(escorted=True) is None
    read = lobby.qr_pass(lobby.approved())
    held = lobby.snapshot().card(read.credential)
    assert held is not None
    assert (held.escorted, held.hosts) == ((VISIT,), (lobby.host,))
    assert lobby.tap(read.credential) is Reason.ESCORT_NEEDED
    assert lobby.tap(read.credential, WAY_OUT) is Reason.GRANTED
    behind = {WAY_IN: LaneMoment(hosts=(HostPassage(lobby.host, NOON),))}
    assert lobby.tap(read.credential, moments=behind) is Reason.GRANTED
    stranger = {WAY_IN: LaneMoment(hosts=(HostPassage(lobby.other, NOON),))}
    assert lobby.tap(read.credential, moments=stranger) is Reason.ESCORT_NEEDED


def test_a35_a_visit_says_by_itself_whether_an_escort_is_needed(lobby: Lobby) -> None:
    assert lobby.rules(escorted=True) is None
    read = lobby.qr_pass(lobby.approved(escorted=False))
    assert lobby.tap(read.credential) is Reason.GRANTED


def test_a35_a_visitor_whose_host_goes_on_alone_is_astray_once(lobby: Lobby, clock: StillClock) -> None:
    assert lobby.rules(escorted=True) is None
    visit = lobby.approved()
    lobby.qr_pass(visit)
    lobby.walk(visit, HALL)
    lobby.move(lobby.host, HALL)
    assert lobby.look().astray == ()
    clock.at += timedelta(seconds=1)
    lobby.move(lobby.host, OUTSIDE)
    clock.at += timedelta(seconds=59)
    assert lobby.look().astray == ()
    clock.at += timedelta(seconds=1)
    assert lobby.look().astray == (visit,)
    assert lobby.look().astray == ()
    (alarm,) = lobby.database.read(lambda session: alarms.open_alarms(session, lobby.site))
    assert (alarm.kind, alarm.over_at) == ("visitor_astray", None)
    lobby.move(lobby.host, HALL)
    lobby.look()
    (alarm,) = lobby.database.read(lambda session: alarms.open_alarms(session, lobby.site))
    assert alarm.over_at == clock.at


def test_s02_a_signed_pass_opens_what_the_visit_says_and_when(lobby: Lobby, clock: StillClock) -> None:
    start = NOON + timedelta(hours=2)
    visit = lobby.approved(starts_at=start, ends_at=start + timedelta(hours=1))
    made = lobby.qr(visit)
    assert isinstance(made, IssuedPass)
    assert verified_pass(made.text, [lobby.issuer], NOON) is Reason.CARD_NOT_YET_VALID
    clock.at = start - timedelta(minutes=30)
    read = verified_pass(made.text, [lobby.issuer], clock.at)
    assert not isinstance(read, Reason)
    assert lobby.tap(read.credential) is Reason.GRANTED
    assert lobby.tap(read.credential, WAY_OUT) is Reason.GRANTED
    clock.at = start + timedelta(hours=2)
    assert lobby.tap(read.credential) is Reason.CARD_EXPIRED
    assert verified_pass(made.text, [lobby.issuer], clock.at) is Reason.CARD_EXPIRED


def test_a_second_pass_kills_the_first(lobby: Lobby) -> None:
    visit = lobby.approved()
    first = lobby.qr_pass(visit)
    second = lobby.qr_pass(visit)
    assert lobby.tap(first.credential) is Reason.CARD_REVOKED
    assert lobby.tap(second.credential) is Reason.GRANTED


def test_a45_going_out_ends_the_visit_and_the_pass(lobby: Lobby, clock: StillClock) -> None:
    visit = lobby.approved()
    credential = lobby.qr_pass(visit).credential
    assert lobby.look().left == ()
    clock.forward(minutes=1)
    lobby.walk(visit, HALL)
    assert lobby.look().left == ()
    assert lobby.row(visit)["entered_at"] == NOON + timedelta(minutes=1)
    clock.forward(minutes=30)
    lobby.walk(visit, OUTSIDE)
    assert lobby.look().left == (visit,)
    row = lobby.row(visit)
    assert (row["state"], row["left_at"]) == (VisitState.ENDED, NOON + timedelta(minutes=31))
    assert lobby.tap(credential) is Reason.CARD_REVOKED
    assert lobby.look().left == ()


def test_a_passage_from_before_the_pass_is_not_this_visits(lobby: Lobby, clock: StillClock) -> None:
    visit = lobby.approved()
    lobby.walk(visit, OUTSIDE)
    clock.forward(seconds=1)
    lobby.qr_pass(visit)
    assert lobby.look().left == ()
    assert lobby.row(visit)["left_at"] is None


def test_who_may_come_back_keeps_the_pass_until_the_time_is_over(lobby: Lobby, clock: StillClock) -> None:
    visit = lobby.approved(reentry=True)
    credential = lobby.qr_pass(visit).credential
    for zone in (HALL, OUTSIDE, HALL):
        clock.forward(minutes=5)
        lobby.walk(visit, zone)
        assert lobby.look().left == ()
        assert lobby.tap(credential) is Reason.GRANTED
    assert lobby.row(visit)["left_at"] is None
    clock.forward(minutes=5)
    lobby.walk(visit, OUTSIDE)
    lobby.look()
    clock.forward(hours=3)
    assert lobby.look().missed == (visit,)
    assert lobby.row(visit)["state"] == VisitState.ENDED
    assert lobby.tap(credential) is Reason.CARD_REVOKED


def test_a45_who_stays_too_long_raises_one_alarm(lobby: Lobby, clock: StillClock) -> None:
    visit = lobby.approved()
    lobby.qr_pass(visit)
    lobby.walk(visit, HALL)
    clock.forward(hours=2, minutes=14)
    assert lobby.look().overstays == ()
    clock.forward(minutes=1)
    (overstay,) = lobby.look().overstays
    assert (overstay.visit, overstay.host) == (visit, lobby.host)
    (alarm,) = lobby.database.read(lambda session: alarms.open_alarms(session, lobby.site))
    assert (alarm.kind, alarm.person_name) == ("visitor_overstay", "Vera Visitor")
    assert lobby.look().overstays == ()
    clock.forward(hours=9)
    looked = lobby.look()
    assert (looked.missed, looked.overstays) == ((), ())
    assert lobby.row(visit)["state"] == VisitState.OPEN


def test_an_extended_visit_stays_open_longer(lobby: Lobby, clock: StillClock) -> None:
    visit = lobby.approved()
    lobby.qr_pass(visit)
    lobby.walk(visit, HALL)
    assert extend(lobby, visit, 0) is _R.ENDS_BEFORE_START
    assert extend(lobby, visit, 13) is _R.TOO_LONG_A_VISIT
    assert extend(lobby, visit, 5) is None
    credential = lobby.qr_pass(visit).credential
    clock.forward(hours=5, minutes=10)
    assert lobby.look().overstays == ()
    assert lobby.tap(credential, WAY_OUT) is Reason.GRANTED


def test_nobody_came(lobby: Lobby, clock: StillClock) -> None:
    announced = lobby.registered(lobby.visit())
    later = lobby.approved(starts_at=NOON + timedelta(minutes=30), ends_at=NOON + timedelta(hours=3))
    credential = lobby.qr_pass(later).credential
    clock.forward(hours=4)
    assert set(lobby.look().missed) == {announced, later}
    assert lobby.row(later)["state"] == lobby.row(announced)["state"] == VisitState.MISSED
    assert lobby.tap(credential) is Reason.CARD_REVOKED


def test_a45_a_lent_card_sleeps_from_the_way_out_until_it_is_handed_in(lobby: Lobby, clock: StillClock) -> None:
    credential = lobby.stock("00000009")
    visit = lobby.approved()
    assert lobby.card(visit, "00000009 ") == IssuedPass(
        "00000009", "", NOON - timedelta(minutes=30), NOON + timedelta(hours=3)
    )
    assert lobby.tap(credential) is Reason.GRANTED
    lobby.walk(visit, HALL)
    clock.forward(minutes=5)
    lobby.walk(visit, OUTSIDE)
    lobby.look()
    assert card_state(lobby, visit) is CardState.SUSPENDED
    assert lobby.tap(credential) is Reason.CARD_SUSPENDED
    assert check_out(lobby, visit, card_returned=False) is _R.WRONG_STATE
    assert check_out(lobby, visit, card_returned=True) is None
    assert card_state(lobby, visit) is CardState.BLANK
    other = lobby.approved(name="Walter", document_kind=DocumentKind.PASSPORT, document_number="E12345678")
    assert isinstance(lobby.card(other, "00000009"), IssuedPass)


def test_the_desk_checks_out_who_hands_the_card_in(lobby: Lobby) -> None:
    lobby.stock("00000009")
    visit = lobby.approved()
    lobby.card(visit, "00000009")
    assert check_out(lobby, visit, card_returned=True) is None
    assert (lobby.row(visit)["state"], card_state(lobby, visit)) == (VisitState.ENDED, CardState.BLANK)
    assert check_out(lobby, VisitId(lobby.site), card_returned=True) is _R.NOT_FOUND


@pytest.mark.parametrize(("number", "refusal"), [("nothing", _R.CARD_UNKNOWN), ("00000008", _R.CARD_UNKNOWN)])
def test_only_visitors_cards_in_stock_are_lent(lobby: Lobby, number: str, refusal: VisitRefusal) -> None:
    lobby.stock("00000008", Product.COMBINED)
    visit = lobby.approved()
    assert lobby.card(visit, number) is refusal
    lobby.stock("00000009")
    assert isinstance(lobby.card(visit, "00000009"), IssuedPass)
    assert lobby.card(visit, "00000009") is _R.CARD_NOT_IN_STOCK


def test_one_pass_a_visitor_at_a_time(lobby: Lobby) -> None:
    first, second = lobby.approved(), lobby.approved(host=lobby.host)
    lobby.qr_pass(first)
    assert lobby.qr(second) is _R.STILL_OPEN
    assert check_out(lobby, first, card_returned=False) is None
    lobby.qr_pass(second)


def test_without_keys_there_is_no_signed_pass(lobby: Lobby) -> None:
    visit = lobby.approved()
    lobby.keys = KeyService(None)
    assert lobby.qr(visit) is _R.KEYS_LOCKED
    assert lobby.row(visit)["state"] == VisitState.APPROVED


def test_a_pass_that_was_forged_is_no_pass(lobby: Lobby) -> None:
    made = lobby.qr(lobby.approved())
    assert isinstance(made, IssuedPass)
    forged = made.text[:-40] + ("A" if made.text[-40] != "A" else "B") + made.text[-39:]
    assert verified_pass(forged, [lobby.issuer], NOON) is Reason.CARD_NOT_GENUINE
    assert lobby.tap(CredentialKey("pass:" + "0" * 32), WAY_IN) is Reason.CARD_UNKNOWN


def test_the_trail_says_who_opened_and_ended_a_visit(lobby: Lobby, clock: StillClock) -> None:
    visit = lobby.approved()
    lobby.qr_pass(visit)
    clock.forward(hours=4)
    lobby.look()
    rows = lobby.database.read(
        lambda session: session.execute(
            text("select action, actor from audit where object = :object order by at, id"), {"object": f"visit:{visit}"}
        ).all()
    )
    assert [tuple(row) for row in rows] == [
        ("visit_registered", "staff:clerk"), ("visit_answered", "staff:host"), ("visit_opened", "staff:clerk"),
        ("visit_ended", "system"),
    ]  # fmt: skip
