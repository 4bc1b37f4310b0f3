"""Making cards: a list of people at an encoder, a blank card for each, and a card of the site when it was read back.

The credential ids are drawn when a card is placed and kept with the job before anything is written, so that a card torn
away is finished, at its next placement, as the same card. Nothing becomes a card of the site before the station has
read it back; until then a torn card opens nothing, as nobody knows its credential.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import RowMapping

from cardcore.access.items import CardState, Product
from cardcore.card_keys.roles import CardApplication, KeyRole
from cardcore.credential import CREDENTIAL_ID_BYTES
from cardcore.ids import CardId, CredentialKey, DeviceId, PersonId, SiteId
from server.audit.service import Deed, record
from server.cards import repository as card_rows
from server.cards import service as cards
from server.cards.replacement import Plastic, Replaced, replace_card
from server.cards.service import CardRefusal, NewCard
from server.database import ReadSession, WriteSession
from server.issuing import repository
from server.issuing.models import (
    APPLICATIONS,
    MADE,
    MAX_BATCH,
    READ_BACK,
    SHOWN,
    TOPIC,
    BatchId,
    EncodingPlan,
    IssuingRefusal,
    JobId,
    JobState,
    Made,
    NewBatch,
    Shown,
)
from server.issuing.plan import card_files
from server.keys.service import KeyService
from server.outbox.repository import append
from server.system import System

SCHEME = "desfire"
REUSABLE = frozenset({CardState.BLANK, CardState.RETURNED, CardState.REVOKED, CardState.SUPERSEDED})
"""States of an older card whose chip may become another card."""
MAX_DETAIL = 300
_OVER = frozenset({JobState.DONE, JobState.CANCELLED})


def start(
    session: WriteSession, system: System, site_id: SiteId, batch: NewBatch, actor: str
) -> BatchId | IssuingRefusal:
    """Put a list of cards to make in line at an encoder; all of it or nothing."""
    refusal = _batch_refusal(session, site_id, batch)
    if refusal is not None:
        return refusal
    batch_id, now = BatchId(system.ids.uuid7()), system.clock.now()
    rows = [
        {
            "id": system.ids.uuid7(),
            "site_id": site_id,
            "batch_id": batch_id,
            "position": position,
            "device_id": batch.device,
            "reader": batch.reader,
            "person_id": job.person,
            "product": job.product,
            "number": job.number,
            "valid_from": job.valid_from,
            "valid_until": job.valid_until,
            "replaces": job.replaces,
            "state": JobState.WAITING if position == 1 else JobState.QUEUED,
            "created_by": actor,
            "created_at": now,
            "changed_at": now,
        }
        for position, job in enumerate(batch.jobs, 1)
    ]
    repository.insert_jobs(session, rows)
    after = {"device": str(batch.device), "reader": batch.reader, "numbers": [job.number for job in batch.jobs]}
    record(session, system, site_id, Deed(actor, "issuing_started", f"issuing:{batch_id}", after=after))
    _tell(session, system, rows[0], JobState.WAITING)
    return batch_id


def card_placed(
    session: WriteSession, system: System, keys: KeyService, place: tuple[SiteId, DeviceId], job_id: JobId, uid: bytes
) -> EncodingPlan | IssuingRefusal:
    """Say what is to be written onto the card that lies on the encoder; `place` is the station's site and device."""
    site_id, device = place
    job = repository.lock_job(session, site_id, job_id)
    if job is None or job["device_id"] != device:
        return IssuingRefusal.JOB_UNKNOWN
    if job["state"] not in {JobState.WAITING, JobState.WRITING}:
        return IssuingRefusal.JOB_OVER
    older = repository.card_of_uid(session, site_id, uid.hex())
    if older is not None and older["state"] not in REUSABLE and older["id"] != job["replaces"]:
        _note(session, system, job, result=IssuingRefusal.CARD_IN_USE, detail=f"card {older['number']}")
        return IssuingRefusal.CARD_IN_USE
    is_again = job["uid"] == uid.hex() and job["gate_id"] is not None
    draw = system.ids.random_bytes
    ids = (job["gate_id"], job["canteen_id"]) if is_again else (draw(CREDENTIAL_ID_BYTES), draw(CREDENTIAL_ID_BYTES))
    issue_no = _issue_no(session, site_id, job)
    files = card_files(keys, site_id, _printed(job), uid, ids, issue_no)
    if isinstance(files, IssuingRefusal):
        _note(session, system, job, result=files)
        return files
    changes = {"state": JobState.WRITING, "uid": uid.hex(), "gate_id": ids[0], "canteen_id": ids[1], "step": ""}
    _note(session, system, job, **changes, attempts=job["attempts"] + 1, result="", detail="")
    epochs = tuple((role, keys.newest_epoch(site_id, role)) for role in KeyRole)
    return EncodingPlan(job_id, uid, files, epochs, overwrite=is_again or older is not None)


def step_reached(
    session: WriteSession, system: System, place: tuple[SiteId, DeviceId], job_id: JobId, step: str
) -> None:
    """Note how far the making of a card has come."""
    job = repository.lock_job(session, place[0], job_id)
    if job is not None and job["device_id"] == place[1] and job["state"] == JobState.WRITING:
        _note(session, system, job, step=step[:MAX_DETAIL])


def finish(
    session: WriteSession, system: System, place: tuple[SiteId, DeviceId], job_id: JobId, made: Made
) -> CardId | IssuingRefusal | None:
    """Take the end of a card's making: register the card, or let the job wait for a card again and return None."""
    job = repository.lock_job(session, place[0], job_id)
    if job is None or job["device_id"] != place[1]:
        return IssuingRefusal.JOB_UNKNOWN
    if job["state"] == JobState.DONE and job["uid"] == made.uid.hex():
        return CardId(job["card_id"])  # the answer to the first report was lost
    if made.result != MADE and not made.uid and job["state"] not in _OVER:
        _note(session, system, job, result=made.result[:MAX_DETAIL], detail=made.detail[:MAX_DETAIL])
        return None  # what lay there was no card that can be made, or was gone before it told its number
    if job["state"] != JobState.WRITING or job["uid"] != made.uid.hex():
        return IssuingRefusal.JOB_OVER
    needed = frozenset().union(*(READ_BACK[one] for one in APPLICATIONS[Product(job["product"])]))
    result = made.result if made.result != MADE or needed <= made.verified else IssuingRefusal.NOT_VERIFIED
    if result != MADE:
        # uid and credential ids stay: the same card is finished at its next placement, another gets its own
        _note(session, system, job, state=JobState.WAITING, result=result, detail=made.detail[:MAX_DETAIL])
        return None
    registered = _registered(session, system, place[0], job)
    if isinstance(registered, CardRefusal):
        _note(session, system, job, state=JobState.WAITING, result=registered, detail="made, but not registered")
        return None
    _note(session, system, job, state=JobState.DONE, result=MADE, detail="", card_id=registered)
    following = repository.advance(session, job["batch_id"])
    if following is not None:
        _tell(session, system, following, JobState.WAITING)
    return registered


def card_shown(session: WriteSession, system: System, place: tuple[SiteId, DeviceId], shown: Shown) -> None:
    """Tell whoever watches the encoder whose card was laid down while no job waited there. Ids only, no names."""
    card = repository.card_of_credential(session, place[0], shown.credential) if shown.credential else None
    payload = {
        "device": str(place[1]),
        "reader": shown.reader,
        "state": SHOWN,
        "card": str(card["id"]) if card is not None else "",
        "person": str(card["person_id"]) if card is not None and card["person_id"] else "",
        "result": shown.problem or ("" if card is not None else IssuingRefusal.CARD_UNKNOWN),
    }
    append(session, system, place[0], TOPIC, payload)


def cancel(
    session: WriteSession, system: System, site_id: SiteId, batch_id: BatchId, actor: str
) -> int | IssuingRefusal:
    """Drop what is left of a list; return how many cards were not made. A card in the making stays torn."""
    jobs = repository.lock_batch(session, site_id, batch_id)
    if not jobs:
        return IssuingRefusal.JOB_UNKNOWN
    left = [job for job in jobs if job["state"] not in _OVER]
    for job in left:
        _note(session, system, job, state=JobState.CANCELLED)
    if left:
        after = {"cancelled": [job["number"] for job in left]}
        record(session, system, site_id, Deed(actor, "issuing_cancelled", f"issuing:{batch_id}", after=after))
    return len(left)


def progress(session: ReadSession, site_id: SiteId, batch_id: BatchId) -> Sequence[RowMapping]:
    """Return the jobs of a list in order: number, person_name, state, step, result, detail, attempts, card_id."""
    return repository.batch(session, site_id, batch_id)


def open_jobs(session: ReadSession, device: DeviceId) -> Sequence[RowMapping]:
    """Return what waits for a card, or is in the making, at a device's encoders."""
    return repository.open_jobs(session, device)


def _batch_refusal(session: WriteSession, site_id: SiteId, batch: NewBatch) -> IssuingRefusal | None:
    if not 0 < len(batch.jobs) <= MAX_BATCH:
        return IssuingRefusal.LIST_TOO_LONG if batch.jobs else IssuingRefusal.LIST_EMPTY
    if not repository.device_is_active(session, site_id, batch.device):
        return IssuingRefusal.DEVICE_UNKNOWN
    if repository.station_taken(session, batch.device, batch.reader):
        return IssuingRefusal.STATION_BUSY
    people = {job.person for job in batch.jobs}
    if people - repository.people_known(session, site_id, sorted(people)):
        return IssuingRefusal.UNKNOWN_PERSON
    numbers = [job.number.strip() for job in batch.jobs]
    if len(set(numbers)) < len(numbers) or "" in numbers or repository.numbers_taken(session, site_id, numbers):
        return IssuingRefusal.NUMBER_TAKEN
    for job in batch.jobs:
        if job.valid_from and job.valid_until and job.valid_from >= job.valid_until:
            return IssuingRefusal.WRONG_VALIDITY
        if job.replaces and not _is_own(session, site_id, job.replaces, job.person):
            return IssuingRefusal.REPLACED_NOT_FOUND
    return None


def _is_own(session: WriteSession, site_id: SiteId, card: CardId, person: PersonId) -> bool:
    row = card_rows.get(session, site_id, card)
    return row is not None and row["person_id"] == person


def _issue_no(session: WriteSession, site_id: SiteId, job: RowMapping) -> int:
    older = card_rows.get(session, site_id, job["replaces"]) if job["replaces"] else None
    return int(older["issue_no"]) + 1 if older is not None else 1


def _printed(job: RowMapping) -> NewCard:
    return NewCard(
        job["number"],
        Product(job["product"]),
        (),
        PersonId(job["person_id"]),
        job["valid_from"],
        job["valid_until"],
        uid=job["uid"],
    )


def _registered(session: WriteSession, system: System, site_id: SiteId, job: RowMapping) -> CardId | CardRefusal:
    """Add the card, superseding the one it replaces; return its id or why not."""
    older = repository.card_of_uid(session, site_id, job["uid"])
    if older is not None:
        repository.release_uid(session, older["id"])
    ids = {CardApplication.GATE: job["gate_id"], CardApplication.CANTEEN: job["canteen_id"]}
    applications = APPLICATIONS[Product(job["product"])]
    credentials = tuple(CredentialKey(f"{SCHEME}:{bytes(ids[one]).hex()}") for one in applications)
    names = tuple(str(one) for one in applications)
    if job["replaces"]:
        plastic = Plastic(job["number"], credentials, names, job["uid"])
        deed = (job["created_by"], "made on the encoder")
        replaced = replace_card(session, system, site_id, CardId(job["replaces"]), plastic, deed)
        return replaced.card if isinstance(replaced, Replaced) else replaced
    new = NewCard(
        job["number"],
        Product(job["product"]),
        credentials,
        PersonId(job["person_id"]),
        job["valid_from"],
        job["valid_until"],
        names,
        job["uid"],
    )
    return cards.issue_card(session, system, site_id, new, job["created_by"])


def _note(session: WriteSession, system: System, job: RowMapping, **changes: Any) -> None:  # noqa: ANN401 - columns
    kept = ("state", "step", "uid", "gate_id", "canteen_id", "attempts", "result", "detail", "card_id")
    values = {name: changes.get(name, job[name]) for name in kept}
    repository.change(session, job["id"], {**values, "changed_at": system.clock.now()})
    _tell(session, system, {**job, **values}, values["state"])


def _tell(session: WriteSession, system: System, job: Any, state: str) -> None:  # noqa: ANN401 - a row or the new values
    payload = {
        "job": str(job["id"]),
        "batch": str(job["batch_id"]),
        "position": job["position"],
        "device": str(job["device_id"]),
        "reader": job["reader"],
        "state": state,
        "step": job.get("step", ""),
        "result": job.get("result", ""),
    }
    append(session, system, SiteId(job["site_id"]), TOPIC, payload)
