"""From a person and a blank card to a card of the site, and what becomes of torn, foreign, swapped and unread ones."""

from __future__ import annotations

import gc
from uuid import UUID

import psycopg
import pytest

from cardcore.access.decide import GATE_PRODUCTS
from cardcore.access.items import CardItem, CardState, Product
from cardcore.canteen.authorise import CANTEEN_PRODUCTS
from cardcore.card_keys.asks import BeginAuthentication, EndSession, FinishAuthentication, KeyRefusal, KeyRefused
from cardcore.card_keys.roles import CardApplication
from cardcore.ids import CardId, CredentialKey, PersonId, SiteId
from cardcore.journal import Purpose
from cardcore.reasons import Reason
from cardcore.wire.messages import EncoderCard, EncoderDone, EncoderOpen
from firmware_mocks.virtual_card.card import CardGone
from firmware_mocks.virtual_card.desfire.card import DesfireCard
from reader_daemon.protocols.card.outcome import Assertion, CardFailure
from reader_daemon.protocols.card.personalise import STEPS, Personalised
from server.cards import service as cards
from server.database import Database
from server.issuing import service
from server.issuing.models import BatchId, IssuingRefusal, JobState, NewJob
from server.keys.desk import BURST
from server.keys.service import KeyService
from server.policy import service as policy
from server.system import System
from tests.server.conftest import StillClock
from tests.server.issuing.issuing_site import READER, IssuingSite, Link, place, site_keys, tap

GATE, CANTEEN = CardApplication.GATE, CardApplication.CANTEEN


@pytest.fixture
def issuing(database: Database, system: System, site: SiteId) -> IssuingSite:
    return IssuingSite(database, system, site, site_keys(site))


@pytest.fixture
def desk(issuing: IssuingSite) -> Link:
    return issuing.link("desk")


@pytest.fixture
def lane(issuing: IssuingSite) -> Link:
    return issuing.link("lane", Purpose.GATE)


@pytest.fixture
def till(issuing: IssuingSite) -> Link:
    return issuing.link("till", Purpose.TILL)


def chip(number: int) -> DesfireCard:
    return DesfireCard(bytes([4, *number.to_bytes(5, "big"), 0x80]))


def made(outcome: object) -> Personalised:
    assert isinstance(outcome, Personalised), outcome
    return outcome


def asserted(outcome: object) -> Assertion:
    assert isinstance(outcome, Assertion), outcome
    return outcome


def states(issuing: IssuingSite, batch: BatchId) -> list[tuple[str, str]]:
    rows = issuing.database.read(lambda session: service.progress(session, issuing.site, batch))
    return [(row["state"], row["result"]) for row in rows]


def item(issuing: IssuingSite, credential: str) -> CardItem | None:
    snapshot = issuing.database.read(lambda session: policy.load_snapshot(session, issuing.site))
    return snapshot.card(CredentialKey(credential))


def test_a3_a11_a_blank_card_opens_and_pays_when_it_is_made(
    issuing: IssuingSite, desk: Link, lane: Link, till: Link
) -> None:
    batch = issuing.start(desk, issuing.job("1001"))
    card = chip(1)
    outcome = made(place(desk, card))
    assert tuple(desk.steps) == STEPS
    assert states(issuing, batch) == [(JobState.DONE, "made")]
    assert not desk.open
    gate = asserted(tap(lane, card, GATE, issuing.keys))
    canteen = asserted(tap(till, card, CANTEEN, issuing.keys))
    opens, pays = item(issuing, gate.credential), item(issuing, canteen.credential)
    assert opens is not None
    assert pays is not None
    assert (opens.card, opens.state, opens.product in GATE_PRODUCTS) == (pays.card, CardState.ACTIVE, True)
    assert (pays.product in CANTEEN_PRODUCTS, pays.product in GATE_PRODUCTS) == (True, False)
    assert outcome.uid == card.uid


def test_a_tap_costs_two_questions_to_the_server(issuing: IssuingSite, desk: Link, lane: Link) -> None:
    issuing.start(desk, issuing.job("1001"))
    card = chip(1)
    made(place(desk, card))
    asserted(tap(lane, card, GATE, issuing.keys))
    assert [type(ask) for ask in lane.asked] == [BeginAuthentication, FinishAuthentication]


def test_a_stolen_till_opens_no_door(issuing: IssuingSite, desk: Link, till: Link) -> None:
    """It reads canteen credentials and nothing else, and what it reads is refused at every lane."""
    issuing.start(desk, issuing.job("1001"))
    card = chip(1)
    made(place(desk, card))
    refused = tap(till, card, GATE, issuing.keys)
    assert isinstance(refused, CardFailure)
    assert refused.reason is Reason.KEYS_UNAVAILABLE
    seen = asserted(tap(till, card, CANTEEN, issuing.keys))
    shown = item(issuing, seen.credential)
    assert shown is not None
    assert shown.product not in GATE_PRODUCTS
    rows = issuing.database.read(lambda session: cards.get(session, issuing.site, CardId(shown.card)))
    assert rows is not None
    assert len(set(rows["keys"])) == 2
    gate, canteen = (key.partition(":")[2] for key in rows["keys"])
    assert not any(gate[at : at + 8] in canteen for at in range(0, 32, 8))


@pytest.mark.parametrize(
    ("product", "opens", "pays"),
    [
        (Product.COMBINED, True, True),
        (Product.GATE_ONLY, True, False),
        (Product.CANTEEN_ONLY, False, True),
        (Product.VISITOR, True, False),
        (Product.CONTRACTOR, True, False),
    ],
)
def test_each_kind_carries_its_applications_and_no_other(
    issuing: IssuingSite, desk: Link, lane: Link, till: Link, product: Product, opens: bool, pays: bool
) -> None:
    issuing.start(desk, issuing.job("1001", product))
    card = chip(1)
    made(place(desk, card))
    assert isinstance(tap(lane, card, GATE, issuing.keys), Assertion) is opens
    assert isinstance(tap(till, card, CANTEEN, issuing.keys), Assertion) is pays


STACK, LOOK_EVERY, MOST_NEW_OBJECTS = 500, 25, 2_000


def test_a11_a_list_of_500_is_made_with_a_stack_of_cards_and_nothing_is_left_behind(
    issuing: IssuingSite, desk: Link, lane: Link, clock: StillClock
) -> None:
    people = issuing.people(STACK)
    jobs = [NewJob(person, Product.COMBINED, str(number)) for number, person in enumerate(people, 1)]
    batch = issuing.start(desk, *jobs)
    desk.tells_steps = False
    credentials, living = set(), []
    for number in range(1, STACK + 1):
        card = chip(number)
        made(place(desk, card))
        clock.forward(seconds=1)
        desk.asked.clear()
        desk.steps.clear()
        if number % LOOK_EVERY == 0:
            credentials.add(asserted(tap(lane, card, GATE, issuing.keys)).credential)
            gc.collect()
            living.append(len(gc.get_objects()))
    assert states(issuing, batch) == [(JobState.DONE, "made")] * STACK
    assert len(credentials) == STACK // LOOK_EVERY
    assert not desk.open
    assert all(len(station.keys._answers._sessions) <= 1 for station in issuing.stations._stations.values())
    assert living[-1] - living[1] < MOST_NEW_OBJECTS, living


class Torn:
    """A card pulled away before its n-th command."""

    def __init__(self, card: DesfireCard, commands: int) -> None:
        self._card = card
        self._left = commands

    def power_on(self) -> None:
        self._card.power_on()

    def answer(self, command: bytes) -> bytes | None:
        if self._left == 0:
            raise CardGone
        self._left -= 1
        return self._card.answer(command)


@pytest.mark.parametrize("commands", [3, 9, 17, 25, 33, 41, 49, 57, 65])
def test_a_torn_card_is_finished_as_the_same_card_at_its_next_placement(
    issuing: IssuingSite, desk: Link, lane: Link, till: Link, commands: int
) -> None:
    batch = issuing.start(desk, issuing.job("1001"))
    card = chip(1)
    assert isinstance(place(desk, Torn(card, commands)), CardFailure)  # type: ignore[arg-type]
    assert states(issuing, batch)[0][0] == JobState.WAITING
    rows = issuing.database.read(lambda session: service.progress(session, issuing.site, batch))
    torn_ids = (rows[0]["gate_id"], rows[0]["canteen_id"])
    assert issuing.database.read(lambda session: cards.search(session, issuing.site, "", 1)).total == 0
    made(place(desk, card))
    assert states(issuing, batch) == [(JobState.DONE, "made")]
    seen = [asserted(tap(link, card, one, issuing.keys)).credential for link, one in ((lane, GATE), (till, CANTEEN))]
    assert seen == [f"desfire:{bytes(one).hex()}" for one in torn_ids]


def test_another_card_takes_the_place_of_a_torn_one(issuing: IssuingSite, desk: Link, lane: Link) -> None:
    batch = issuing.start(desk, issuing.job("1001"), issuing.job("1002"))
    torn, whole = chip(1), chip(2)
    assert isinstance(place(desk, Torn(torn, 40)), CardFailure)  # type: ignore[arg-type]
    made(place(desk, whole))
    assert made(place(desk, torn)).finished_a_torn_card
    assert states(issuing, batch) == [(JobState.DONE, "made")] * 2
    first, second = (asserted(tap(lane, card, GATE, issuing.keys)).credential for card in (whole, torn))
    assert first != second


def test_a_card_of_another_site_is_refused_and_not_overwritten(issuing: IssuingSite, desk: Link) -> None:
    other = IssuingSite(issuing.database, issuing.system, issuing.site, site_keys(issuing.site, "another site"))
    elsewhere = other.link("elsewhere")
    other.start(elsewhere, other.job("9001"))
    card = chip(1)
    made(place(elsewhere, card))
    before = {aid: [key.value for key in one.keys] for aid, one in card.applications.items()}
    with_sql(issuing, "update card set uid = ''")
    batch = issuing.start(desk, issuing.job("1001"))
    refused = place(desk, card)
    assert isinstance(refused, CardFailure)
    assert refused.reason is Reason.CARD_OF_OTHER_SITE
    assert states(issuing, batch) == [(JobState.WAITING, Reason.CARD_OF_OTHER_SITE)]
    assert {aid: [key.value for key in one.keys] for aid, one in card.applications.items()} == before


def with_sql(issuing: IssuingSite, statement: str) -> None:
    with psycopg.connect(issuing.database.url, autocommit=True) as connection:
        connection.execute(statement.encode())


def test_somebodys_card_is_not_made_anothers(issuing: IssuingSite, desk: Link, lane: Link) -> None:
    issuing.start(desk, issuing.job("1001"))
    card = chip(1)
    made(place(desk, card))
    batch = issuing.start(desk, issuing.job("1002"))
    refused = place(desk, card)
    assert isinstance(refused, CardFailure)
    assert states(issuing, batch) == [(JobState.WAITING, IssuingRefusal.CARD_IN_USE)]
    asserted(tap(lane, card, GATE, issuing.keys))


def test_a_returned_card_becomes_another_with_new_credentials(issuing: IssuingSite, desk: Link, lane: Link) -> None:
    issuing.start(desk, issuing.job("1001", Product.VISITOR))
    card = chip(1)
    made(place(desk, card))
    old = asserted(tap(lane, card, GATE, issuing.keys)).credential
    first = item(issuing, old)
    assert first is not None
    deed = ("test", "visit over")
    issuing.database.write(
        lambda session: cards.change_state(
            session, issuing.system, issuing.site, CardId(first.card), CardState.RETURNED, deed
        )
    )
    issuing.start(desk, issuing.job("1002", Product.VISITOR))
    made(place(desk, card))
    new = asserted(tap(lane, card, GATE, issuing.keys)).credential
    second, gone = item(issuing, new), item(issuing, old)
    assert new != old
    assert second is not None
    assert gone is not None
    assert (second.state, gone.state) == (CardState.ACTIVE, CardState.RETURNED)
    assert second.card != gone.card


def test_the_next_copy_of_a_lost_card_kills_the_older_one(issuing: IssuingSite, desk: Link, lane: Link) -> None:
    person = issuing.person("p1")
    issuing.start(desk, NewJob(person, Product.COMBINED, "1001"))
    lost, new = chip(1), chip(2)
    made(place(desk, lost))
    was = item(issuing, asserted(tap(lane, lost, GATE, issuing.keys)).credential)
    assert was is not None
    issuing.start(desk, NewJob(person, Product.COMBINED, "1002", replaces=CardId(was.card)))
    made(place(desk, new))
    found = [item(issuing, asserted(tap(lane, card, GATE, issuing.keys)).credential) for card in (lost, new)]
    assert [one.state for one in found if one] == [CardState.SUPERSEDED, CardState.ACTIVE]
    row = issuing.database.read(lambda session: cards.get(session, issuing.site, CardId(found[1].card)))  # type: ignore[union-attr]
    assert row is not None
    assert (row["issue_no"], row["replaces"]) == (2, was.card)


class TestLists:
    def test_an_encoder_has_one_list_at_a_time(self, issuing: IssuingSite, desk: Link) -> None:
        issuing.start(desk, issuing.job("1001"))
        assert issuing.try_start(desk, issuing.job("1002")) is IssuingRefusal.STATION_BUSY

    def test_wrong_lists_are_refused_whole(self, issuing: IssuingSite, desk: Link) -> None:
        good = issuing.job("1001")
        assert issuing.try_start(desk) is IssuingRefusal.LIST_EMPTY
        assert issuing.try_start(desk, good, good) is IssuingRefusal.NUMBER_TAKEN
        stranger = NewJob(PersonId(UUID(int=5)), Product.COMBINED, "1002")
        assert issuing.try_start(desk, good, stranger) is IssuingRefusal.UNKNOWN_PERSON
        nowhere = IssuingSite(issuing.database, issuing.system, issuing.site, issuing.keys).link("other")
        with_sql(issuing, "update device set state = 'revoked' where name = 'other'")
        assert issuing.try_start(nowhere, good) is IssuingRefusal.DEVICE_UNKNOWN
        issuing.start(desk, good)

    def test_a_cancelled_list_lets_the_encoder_go(self, issuing: IssuingSite, desk: Link) -> None:
        batch = issuing.start(desk, issuing.job("1001"), issuing.job("1002"))
        assert desk.open
        left = issuing.database.write(
            lambda session: service.cancel(session, issuing.system, issuing.site, batch, "test")
        )
        desk.look()
        assert (left, desk.open) == (2, {})
        assert states(issuing, batch) == [(JobState.CANCELLED, "")] * 2

    def test_a_station_that_reconnects_hears_of_its_job_again(self, issuing: IssuingSite, desk: Link) -> None:
        issuing.start(desk, issuing.job("1001"))
        issuing.stations.left(desk.device.id)
        (again,) = issuing.stations.waiting(desk.device)
        assert again == EncoderOpen(desk.open[READER], READER)
        assert issuing.stations.waiting(desk.device) == ()

    def test_locked_keys_make_no_card(self, issuing: IssuingSite) -> None:
        locked = IssuingSite(issuing.database, issuing.system, issuing.site, KeyService(None))
        desk = locked.link("desk")
        batch = locked.start(desk, locked.job("1001"))
        assert isinstance(place(desk, chip(1)), CardFailure)
        assert states(locked, batch) == [(JobState.WAITING, IssuingRefusal.KEYS_LOCKED)]


class TestDishonestStations:
    def test_a_card_that_was_not_read_back_does_not_count(self, issuing: IssuingSite, desk: Link) -> None:
        batch = issuing.start(desk, issuing.job("1001"))
        job = desk.open[READER]
        uid = chip(1).uid
        desk.placed(EncoderCard(job, uid))
        desk.ended(EncoderDone(job, uid, "made", verified=("gate_read",)))
        assert states(issuing, batch) == [(JobState.WAITING, IssuingRefusal.NOT_VERIFIED)]

    def test_a_job_of_another_device_is_unknown(self, issuing: IssuingSite, desk: Link, lane: Link) -> None:
        batch = issuing.start(desk, issuing.job("1001"))
        card = EncoderCard(desk.open[READER], chip(1).uid)
        assert lane.placed(card).refusal == IssuingRefusal.JOB_UNKNOWN
        lane.ended(EncoderDone(desk.open[READER], chip(1).uid, "made", verified=("gate_read", "canteen_read")))
        assert states(issuing, batch) == [(JobState.WAITING, "")]

    def test_without_a_job_no_issuing_key_is_given(self, issuing: IssuingSite, desk: Link) -> None:
        issuing.start(desk, issuing.job("1001"))
        card = chip(1)
        made(place(desk, card))
        first = desk.asked[0]
        assert isinstance(first, BeginAuthentication)
        refused = desk.ask(first)
        assert isinstance(refused, KeyRefused)
        assert refused.refusal is KeyRefusal.NOT_ALLOWED

    def test_a_lost_answer_to_the_end_registers_the_card_once(self, issuing: IssuingSite, desk: Link) -> None:
        issuing.start(desk, issuing.job("1001"))
        job, card = desk.open[READER], chip(1)
        outcome = made(place(desk, card))
        again = EncoderDone(job, card.uid, "made", verified=tuple(map(str, outcome.verified)))
        desk.ended(again)
        assert issuing.database.read(lambda session: cards.search(session, issuing.site, "", 1)).total == 1


def test_a_device_that_asks_too_fast_is_told_to_wait(issuing: IssuingSite, lane: Link, clock: StillClock) -> None:
    ask = EndSession(bytes(16))
    answers = [lane.ask(ask) for _ in range(BURST + 1)]
    assert isinstance(answers[-1], KeyRefused)
    assert [isinstance(answer, KeyRefused) for answer in answers].count(True) == 1
    clock.forward(seconds=1)
    assert not isinstance(lane.ask(ask), KeyRefused)
