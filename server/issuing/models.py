"""What an issuing job is, and every way it can go. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType
from uuid import UUID

from cardcore.access.items import Product
from cardcore.card_keys.roles import CardApplication, KeyRole
from cardcore.ids import CardId, CredentialKey, DeviceId, PersonId

JobId = NewType("JobId", UUID)
BatchId = NewType("BatchId", UUID)

TOPIC = "issuing"
"""Of the outbox: every change of a job, for whoever drives or watches it. No names, only ids."""
MAX_BATCH = 1_000
"""Cards of one list."""
SHOWN = "shown"
"""The state of an event that belongs to no job: a card was laid on an encoder to learn whose it is."""
MADE = "made"
"""The result of a job that went well; any other is a reason of `cardcore.reasons` or an `IssuingRefusal`."""


class JobState(StrEnum):
    """queued -> waiting -> writing -> done, back to waiting after a failure; cancelled from all but done."""

    QUEUED = "queued"
    WAITING = "waiting"
    """A card is to be placed on the encoder."""
    WRITING = "writing"
    """A card lies there and is being made; if it is torn, the same card is finished at its next placement."""
    DONE = "done"
    CANCELLED = "cancelled"


class IssuingRefusal(StrEnum):
    """Why nothing was begun or made."""

    LIST_EMPTY = "list_empty"
    LIST_TOO_LONG = "list_too_long"
    DEVICE_UNKNOWN = "device_unknown"
    STATION_BUSY = "station_busy"
    """Another list waits at this encoder."""
    KEYS_LOCKED = "keys_locked"
    UNKNOWN_PERSON = "unknown_person"
    NUMBER_TAKEN = "number_taken"
    REPLACED_NOT_FOUND = "replaced_not_found"
    WRONG_VALIDITY = "wrong_validity"
    JOB_UNKNOWN = "job_unknown"
    JOB_OVER = "job_over"
    CARD_IN_USE = "card_in_use"
    """The card on the encoder is somebody's: return or revoke it first."""
    CARD_UNKNOWN = "card_unknown"
    """No card of the site has this credential."""
    NOT_ALLOWED = "not_allowed"
    """Who asks may not make cards."""
    OWN_MATTER = "own_matter"
    """Nobody makes a card for themselves."""
    NOT_VERIFIED = "not_verified"
    """The station did not read the card back with every role."""


@dataclass(frozen=True, slots=True)
class NewJob:
    """A card to make: for whom, of which kind, with which printed number; `replaces` makes it the next copy of one."""

    person: PersonId
    product: Product
    number: str
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    replaces: CardId | None = None


@dataclass(frozen=True, slots=True)
class NewBatch:
    """A list of cards to make one after the other at one encoder."""

    device: DeviceId
    reader: str
    jobs: tuple[NewJob, ...]


@dataclass(frozen=True, slots=True)
class EncodingPlan:
    """What is written onto the card that lies there."""

    job: JobId
    uid: bytes
    credentials: tuple[tuple[CardApplication, bytes], ...]
    epochs: tuple[tuple[KeyRole, int], ...]
    overwrite: bool


@dataclass(frozen=True, slots=True)
class Made:
    """What the station says of a card: how it ended, and the roles that read the credential back."""

    uid: bytes
    result: str
    detail: str = ""
    verified: frozenset[KeyRole] = frozenset()
    was_torn: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """A card laid on an encoder where no job waits; `problem` is a reason when it proved nothing."""

    reader: str
    credential: CredentialKey
    problem: str = ""


APPLICATIONS = {
    Product.COMBINED: (CardApplication.GATE, CardApplication.CANTEEN),
    Product.GATE_ONLY: (CardApplication.GATE,),
    Product.CANTEEN_ONLY: (CardApplication.CANTEEN,),
    Product.VISITOR: (CardApplication.GATE,),
    Product.CONTRACTOR: (CardApplication.GATE,),
}
"""What a card of each kind carries. A single-purpose card can be made combined later, on the encoder."""
READ_BACK = {
    CardApplication.GATE: frozenset({KeyRole.GATE_READ}),
    CardApplication.CANTEEN: frozenset({KeyRole.CANTEEN_READ}),
}
"""The least roles that must have read a card back before it counts as made."""
