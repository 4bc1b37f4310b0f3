"""Making cards, for one person or a list, at an encoder, with every step shown as it happens; and whose a card is.

A list's page renews itself every second; the card is made by the station whether or not anybody looks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi import APIRouter, HTTPException, Response

from admin_web.area import Area, Group, Place, allow
from admin_web.forms import WHOLE, Form
from admin_web.i18n import key_of
from admin_web.visits import StaffVisit, Visit, read_form
from cardcore.access.items import Product
from cardcore.ids import CardId, DeviceId, PersonId
from cardcore.money import Fen
from server.audit.service import staff_actor
from server.cards import replacement, validity
from server.cards import service as cards
from server.database import ReadSession, WriteSession
from server.issuing import desk, service
from server.issuing.desk import Encoder
from server.issuing.models import MADE, BatchId, IssuingRefusal, JobState, NewBatch, NewJob
from server.people import repository as people_rows
from server.people import service as people
from server.people.service import MAX_NUMBER
from server.staff.roles import Permission

Row = Any
"""As services hand them out."""
router = APIRouter()
AREA = Area(
    router,
    allow(
        dict.fromkeys(
            (
                "issuing", "issuing_new", "issuing_begin", "issuing_list", "issuing_list_begin", "issuing_find",
                "issuing_batch", "issuing_cancel",
            ),
            Permission.CARDS_ISSUE,
        )
    ),
    (Place("/issuing", "id-badge-2", "nav.issuing", Permission.CARDS_ISSUE, Group.PEOPLE, "i"),),
    (JobState, IssuingRefusal, Product),
)  # fmt: skip

STEPS = ("examine", "clean", "gate", "canteen", "lock", "verify")
"""What the station tells while it makes a card, in order (`reader_daemon.protocols.card.personalise.STEPS`)."""
TROUBLES = (
    (
        "issuing.trouble_moved_title",
        "issuing.trouble_moved",
        frozenset({"card_moved", "card_incomplete", "card_unreadable", "card_timeout"}),
    ),
    (
        "issuing.trouble_left_alone_title",
        "issuing.trouble_left_alone",
        frozenset({"card_in_use", "card_of_other_site", "card_unknown_type", "card_not_genuine"}),
    ),
    ("issuing.trouble_locked_title", "issuing.trouble_locked", frozenset({"keys_locked", "keys_unavailable"})),
)
OTHER_TROUBLE = ("issuing.trouble_other_title", "issuing.trouble_other")
OPEN = frozenset({JobState.QUEUED, JobState.WAITING, JobState.WRITING})
Jobs = Callable[[WriteSession], tuple[NewJob, ...]]
MAX_LIST = 500
MAX_LIST_CHARACTERS = 12_000


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why the last try of a card did not go well: which words, and what the station said."""

    title: str
    key: str
    detail: str


@router.get("/issuing", name="issuing")
async def issuing(visit: StaffVisit) -> Response:
    """Show the encoders, the newest lists, and whose cards end soon."""
    now = visit.system.clock.now()
    encoders = await visit.read(lambda session: desk.encoders(session, visit.site_id, now))
    recent = await visit.read(lambda session: desk.recent(session, visit.site_id))
    ending = await visit.read(lambda session: validity.ending_soon(session, visit.site_id, now))
    return visit.page("issuing/issuing.html", encoders=encoders, recent=recent, ending=ending)


@router.get("/issuing/new", name="issuing_new")
async def issuing_new(visit: StaffVisit, person: UUID | None = None, card: UUID | None = None) -> Response:
    """Ask how the card shall be, for a person, or for the next copy of a card."""
    asked = await visit.read(lambda session: _asked(session, visit, person, card))
    if asked is None:
        raise HTTPException(404)
    form = Form(
        {
            "product": asked.product,
            "number": asked.number,
            "encoder": asked.encoders[0].key if len(asked.encoders) == 1 else "",
        }
    )
    return _form(visit, form, asked, 200)


@router.post("/issuing/new", name="issuing_begin")
async def issuing_begin(visit: StaffVisit) -> Response:
    """Put one card in line and lead to its page."""
    form = Form(await read_form(visit.request))
    person, card = _id(form.value("person")), _id(form.value("card"))
    asked = await visit.read(lambda session: _asked(session, visit, person, card))
    if asked is None:
        raise HTTPException(404)
    number, product = form.text("number", MAX_NUMBER), form.choice("product", Product)
    encoder = _encoder(form, asked.encoders)
    if form.is_good and encoder is not None:
        job = NewJob(asked.person, product, number, replaces=asked.card)
        begun = await _start(visit, encoder, lambda _session: (job,))
        if not isinstance(begun, IssuingRefusal):
            return visit.go(f"/issuing/{begun}")
        form.refuse("number" if begun is IssuingRefusal.NUMBER_TAKEN else WHOLE, key_of(begun))
    return _form(visit, form, asked, 422)


@router.get("/issuing/list", name="issuing_list")
async def issuing_list(visit: StaffVisit) -> Response:
    """Ask for a list of people."""
    now = visit.system.clock.now()
    encoders = await visit.read(lambda session: desk.encoders(session, visit.site_id, now))
    form = Form({"product": Product.COMBINED, "encoder": encoders[0].key if len(encoders) == 1 else ""})
    return visit.page("issuing/list.html", form=form, encoders=encoders, most=MAX_LIST, products=tuple(Product))


@router.post("/issuing/list", name="issuing_list_begin")
async def issuing_list_begin(visit: StaffVisit) -> Response:
    """Put a card for each number of the list in line."""
    form = Form(await read_form(visit.request))
    now = visit.system.clock.now()
    encoders = await visit.read(lambda session: desk.encoders(session, visit.site_id, now))
    text, product = form.text("numbers", MAX_LIST_CHARACTERS), form.choice("product", Product)
    encoder = _encoder(form, encoders)
    numbers = list(dict.fromkeys(text.split()))
    known = await visit.read(lambda session: people_rows.by_numbers(session, visit.site_id, numbers))
    unknown = [number for number in numbers if number not in known]
    if unknown:
        form.refuse("numbers", "issuing.numbers_unknown", numbers=", ".join(unknown[:10]), count=len(unknown))
    if len(numbers) > MAX_LIST:
        form.refuse("numbers", "issuing.numbers_too_many", most=MAX_LIST)
    if form.is_good and encoder is not None:
        ids = [PersonId(known[number]["id"]) for number in numbers]

        def jobs(session: WriteSession) -> tuple[NewJob, ...]:
            number_of = desk.next_number
            return tuple(NewJob(one, product, number_of(session, visit.site_id, one)) for one in ids)

        begun = await _start(visit, encoder, jobs)
        if not isinstance(begun, IssuingRefusal):
            return visit.go(f"/issuing/{begun}")
        form.refuse(WHOLE, key_of(begun))
    return visit.page("issuing/list.html", 422, form=form, encoders=encoders, most=MAX_LIST, products=tuple(Product))


@router.get("/issuing/find", name="issuing_find")
async def issuing_find(visit: StaffVisit, after: UUID | None = None) -> Response:
    """Wait for a card on an encoder and say whose it is; the page asks again every second."""
    since = after or visit.system.ids.uuid7()
    shown = await visit.read(lambda session: desk.shown_since(session, visit.site_id, since))
    person = card = None
    if shown is not None and shown.person is not None and shown.card is not None:
        who, which = shown.person, shown.card
        person = await visit.read(lambda session: people.get(session, visit.site_id, who))
        card = await visit.read(lambda session: cards.get(session, visit.site_id, which))
    now = visit.system.clock.now()
    encoders = await visit.read(lambda session: desk.encoders(session, visit.site_id, now))
    return visit.page("issuing/find.html", after=since, shown=shown, person=person, found_card=card, encoders=encoders)


@router.get("/issuing/{batch_id}", name="issuing_batch")
async def issuing_batch(visit: StaffVisit, batch_id: UUID) -> Response:
    """Show how far a list has come."""
    rows = await visit.read(lambda session: service.progress(session, visit.site_id, BatchId(batch_id)))
    if not rows:
        raise HTTPException(404)
    current = next((row for row in rows if row["state"] in {JobState.WAITING, JobState.WRITING}), None)
    values = {
        "batch_id": batch_id,
        "rows": rows,
        "current": current,
        "made": sum(row["state"] == JobState.DONE for row in rows),
        "is_open": any(row["state"] in OPEN for row in rows),
        "steps": _steps(current),
        "trouble": _trouble(current),
        "MADE": MADE,
    }
    return visit.page("issuing/batch.html", **values)


@router.post("/issuing/{batch_id}/cancel", name="issuing_cancel")
async def issuing_cancel(visit: StaffVisit, batch_id: UUID) -> Response:
    """Drop what is left of a list."""
    actor = staff_actor(visit.actor)
    left = await visit.write(
        lambda session: service.cancel(session, visit.system, visit.site_id, BatchId(batch_id), actor)
    )
    if isinstance(left, IssuingRefusal):
        raise HTTPException(404)
    return visit.go(f"/issuing/{batch_id}", said="issuing_cancelled")


@dataclass(frozen=True, slots=True)
class _Asked:
    """For whom a card is made; `card` is the one it replaces, with what silent tills may still bring."""

    person: PersonId
    name: str
    person_number: str
    card: CardId | None
    old_number: str
    product: str
    number: str
    encoders: Sequence[Encoder]
    silent_tills: tuple[str, ...]
    most: Fen


def _asked(session: ReadSession, visit: Visit, person: UUID | None, card: UUID | None) -> _Asked | None:
    site, now = visit.site_id, visit.system.clock.now()
    old: Row | None = cards.get(session, site, CardId(card)) if card else None
    who = old["person_id"] if old is not None else person
    row = people.get(session, site, PersonId(who)) if who else None
    if row is None or (card and old is None):
        return None
    waiting = replacement.uncollected(session, site, old["lost_at"] or now) if old is not None else None
    return _Asked(
        PersonId(row["id"]),
        row["name"],
        row["number"],
        CardId(old["id"]) if old is not None else None,
        old["number"] if old is not None else "",
        old["product"] if old is not None else Product.COMBINED,
        desk.next_number(session, site, PersonId(row["id"])),
        desk.encoders(session, site, now),
        tuple(waiting.tills) if waiting else (),
        waiting.most_fen if waiting else Fen(0),
    )


def _form(visit: Visit, form: Form, asked: _Asked, status: int) -> Response:
    return visit.page("issuing/new.html", status, form=form, asked=asked, products=tuple(Product))


async def _start(
    visit: Visit, encoder: Encoder, jobs: Callable[[WriteSession], tuple[NewJob, ...]]
) -> BatchId | IssuingRefusal:
    """Put a list in line; `jobs` makes it in the transaction that starts it."""

    def write(session: WriteSession) -> BatchId | IssuingRefusal:
        batch = NewBatch(DeviceId(encoder.device), encoder.reader, jobs(session))
        return desk.start_for(session, visit.system, visit.site_id, batch, visit.actor)

    return await visit.write(write)


def _encoder(form: Form, encoders: Sequence[Encoder]) -> Encoder | None:
    known = {one.key: one for one in encoders}
    return known.get(form.one_of("encoder", known))


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _steps(job: Row | None) -> tuple[tuple[str, str], ...]:
    """Return each step of the card in the making with `done`, `now` or `next`."""
    if job is None or job["state"] == JobState.WAITING:
        return tuple((step, "next") for step in STEPS)
    at = STEPS.index(job["step"]) if job["step"] in STEPS else 0
    return tuple((step, "done" if n < at else "now" if n == at else "next") for n, step in enumerate(STEPS))


def _trouble(job: Row | None) -> Trouble | None:
    if job is None or job["state"] != JobState.WAITING or not job["result"]:
        return None
    result = job["result"]
    words = next(((title, key) for title, key, members in TROUBLES if result in members), OTHER_TROUBLE)
    return Trouble(*words, f"{result}: {job['detail']}" if job["detail"] else result)
