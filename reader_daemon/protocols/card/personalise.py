"""Makes a card: both applications with keys of their own, credential files, then the proof that each role can read.

Order, so that a torn card converges: what is left of an earlier try is deleted; each application is created with the
factory's keys, gets its files, its keys and at last its master; the card's own master key is changed after everything
else. Until then the card says by itself that it is unfinished, and the next placement begins again. A card of
somebody else is refused, and a finished one is not overwritten unless the order says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from cardcore.card_keys.asks import CardMethod, CommMode, KeyName, KeyPurpose, SealKeyChange
from cardcore.card_keys.roles import (
    DEFAULT_LAYOUT,
    FACTORY_EPOCH,
    KEY_COUNTS,
    KEY_PLACES,
    CardApplication,
    CardLayout,
    KeyRole,
)
from cardcore.credential import CREDENTIAL_FILE_BYTES
from cardcore.reasons import Reason
from reader_daemon.protocols.card import desfire_commands as commands
from reader_daemon.protocols.card.card_state import CREDENTIAL_ROLES, CardExamination, CardStanding, examine_card
from reader_daemon.protocols.card.desfire import authenticate_as
from reader_daemon.protocols.card.desfire_channel import DesfireChannel, Rejected
from reader_daemon.protocols.card.desfire_files import NEVER, AccessRights
from reader_daemon.protocols.card.factory_key import make_master_aes
from reader_daemon.protocols.card.outcome import CardFailure, Dialogue, WriteOutcome

PERSONALISE_EXCHANGES = 256
"""Limit for the driver: about 75 exchanges with an EV2 card, more with EV1's small frames."""
APPLICATION_SETTINGS = 0x09
"""KeySettings1: master key and settings may change, everything needs the master key."""
CARD_SETTINGS = 0x09
"""The same for the card: nobody else creates, deletes or formats. Listing applications needs the key as well."""
_WRITERS = {CardApplication.GATE: 2, CardApplication.CANTEEN: 0}
_OUTCOME_REASONS = {
    WriteOutcome.NOT_SENT: Reason.KEYS_UNAVAILABLE,
    WriteOutcome.REJECTED: Reason.CARD_UNREADABLE,
    WriteOutcome.UNKNOWN: Reason.CARD_INCOMPLETE,
}

Step = tuple[str, Dialogue[WriteOutcome]]


STEPS = ("examine", "clean", "gate", "canteen", "lock", "verify")
"""What `progress` is called with, in order; an application that is not ordered is left out."""


def _nobody(_step: str) -> None:
    """Watch nothing."""


@dataclass(frozen=True, slots=True)
class PersonalisationOrder:
    """What the card that lies on the encoder shall become."""

    uid: bytes
    """The card it is meant for: a swapped card is refused."""
    credentials: Mapping[CardApplication, bytes]
    """The signed credential file of each application it gets: gate, canteen, or both."""
    epochs: Mapping[KeyRole, int]
    """The epoch now in force of every role on the card, CARD_MASTER included."""
    layout: CardLayout = DEFAULT_LAYOUT
    overwrite: bool = False
    """Make it anew although it is complete: a visitor's card going to the next visitor."""
    progress: Callable[[str], None] = _nobody

    def __post_init__(self) -> None:
        """Refuse an order without an application, or with a file of a wrong length (ValueError)."""
        lengths = {len(file) for file in self.credentials.values()}
        if lengths != {CREDENTIAL_FILE_BYTES} or CardApplication.CARD in self.credentials:
            msg = f"an order needs a credential file of {CREDENTIAL_FILE_BYTES} bytes for gate, canteen or both"
            raise ValueError(msg)

    def key(self, role: KeyRole) -> KeyName:
        """Return the name of the card's key of that role, as it shall be."""
        return KeyName(role, self.uid, self.epochs[role])


@dataclass(frozen=True, slots=True)
class Personalised:
    """The card is made, and every role read its credential back."""

    uid: bytes
    method: CardMethod
    verified: tuple[KeyRole, ...]
    finished_a_torn_card: bool


def personalise(order: PersonalisationOrder) -> Dialogue[Personalised | CardFailure]:
    """Make the card; run it with `PERSONALISE_EXCHANGES` and a budget of seconds."""
    order.progress("examine")
    found = yield from _examined(order)
    if isinstance(found, CardFailure):
        return found
    refusal = _refusal(order, found)
    if refusal is not None:
        return refusal
    order.progress("clean")
    failure = yield from _clean(order, found)
    if failure is not None:
        return failure
    for application in order.credentials:
        order.progress(application.value)
        failure = (yield from _make_application(order, application)) or (
            yield from write_credentials(order, application)
        )
        if failure is not None:
            return failure
    order.progress("lock")
    failure = yield from _lock(order)
    if failure is not None:
        return failure
    order.progress("verify")
    verified = yield from verify_card(order)
    if isinstance(verified, CardFailure):
        return verified
    assert found.method is not None, "a card that is not foreign was authenticated"
    return Personalised(order.uid, found.method, verified, found.standing is CardStanding.TORN)


def _examined(order: PersonalisationOrder) -> Dialogue[CardExamination | CardFailure]:
    """Examine the card; one that comes straight from its maker gets an AES master key first, of zeros still."""
    found = yield from examine_card(order.layout, order.epochs[KeyRole.CARD_MASTER])
    if isinstance(found, CardFailure) or found.standing is not CardStanding.FACTORY or found.uid != order.uid:
        return found
    made = yield from make_master_aes(order.uid + b"\0")
    if isinstance(made, CardFailure):
        return made
    if made is not WriteOutcome.SUCCEEDED:
        return CardFailure(_OUTCOME_REASONS[made], f"from the maker's DES key to AES: {made}")
    return (yield from examine_card(order.layout, order.epochs[KeyRole.CARD_MASTER]))


def _refusal(order: PersonalisationOrder, found: CardExamination) -> CardFailure | None:
    if found.uid != order.uid:
        return CardFailure(Reason.CARD_MOVED, "another card lies there than the one the order is for")
    if found.standing is CardStanding.FOREIGN:
        return CardFailure(Reason.CARD_OF_OTHER_SITE, found.detail)
    if found.standing is CardStanding.COMPLETE and not order.overwrite:
        return CardFailure(Reason.CARD_IN_USE, "the card is complete already")
    return None


def _clean(order: PersonalisationOrder, found: CardExamination) -> Dialogue[CardFailure | None]:
    """Delete what an earlier try, or the last holder, left. Needs the card's master key, whichever it is now."""
    if not found.versions:
        return None
    channel = yield from _as_card_master(order)
    if isinstance(channel, CardFailure):
        return channel
    steps = [
        (f"delete {application}", commands.delete_application(channel, order.layout.aid(application)))
        for application in found.versions
    ]
    failure = yield from _all(steps)
    yield from channel.end()
    return failure


def _as_card_master(order: PersonalisationOrder) -> Dialogue[DesfireChannel | CardFailure]:
    """Select the card itself and authenticate with its master key, the factory's or ours, as its version says."""
    channel = DesfireChannel()
    selected = yield from commands.select_application(channel, bytes(3))
    version = yield from commands.get_key_version(channel, 0)
    if not isinstance(selected, bytes) or not isinstance(version, bytes) or len(version) != 1:
        return CardFailure(Reason.CARD_UNREADABLE, f"card level: {selected!r}, {version!r}")
    key = KeyName(KeyRole.CARD_MASTER, order.uid, version[0])
    failure = yield from authenticate_as(channel, key, KeyPurpose.ISSUE, accept_ev1=True)
    return failure or channel


def _make_application(order: PersonalisationOrder, application: CardApplication) -> Dialogue[CardFailure | None]:
    aid = order.layout.aid(application)
    card = yield from _as_card_master(order)
    if isinstance(card, CardFailure):
        return card
    count = KEY_COUNTS[application]
    created = commands.create_application(card, aid, APPLICATION_SETTINGS, count)
    failure = yield from _all([(f"create {application}", created)])
    yield from card.end()
    if failure is not None:
        return failure
    channel = DesfireChannel()
    selected = yield from commands.select_application(channel, aid)
    if not isinstance(selected, bytes):
        return CardFailure(Reason.CARD_UNREADABLE, f"new {application} cannot be selected: {selected!r}")
    master = _master(application)
    factory = KeyName(master, order.uid, FACTORY_EPOCH)
    failure = yield from authenticate_as(channel, factory, KeyPurpose.ISSUE, accept_ev1=True)
    if failure is None:
        failure = yield from _all([*_files(application, channel), *_keys(order, application, channel)])
    yield from channel.end()
    return failure


def _master(application: CardApplication) -> KeyRole:
    return KeyRole.GATE_MASTER if application is CardApplication.GATE else KeyRole.CANTEEN_MASTER


def _files(application: CardApplication, channel: DesfireChannel) -> Iterator[Step]:
    """Create a credential file for each reading role, writable with the writing key only."""
    for role in CREDENTIAL_ROLES[application]:
        number = KEY_PLACES[role][1]
        rights = AccessRights(read=number, write=_WRITERS[application], read_write=NEVER, change=0)
        size = CREDENTIAL_FILE_BYTES
        yield f"create file {number}", commands.create_data_file(channel, number, CommMode.FULL, rights, size)


def _keys(order: PersonalisationOrder, application: CardApplication, channel: DesfireChannel) -> Iterator[Step]:
    """Set every key but the master, the one without a role to a value nobody keeps, and the master last."""
    master = _master(application)
    factory = KeyName(master, order.uid, FACTORY_EPOCH)
    for role, (place, number) in KEY_PLACES.items():
        if place is application and 0 < number < KEY_COUNTS[application]:
            change = SealKeyChange(b"", number, order.key(role), factory)
            yield f"set key {number}", commands.change_key(channel, change)
    unused = KEY_COUNTS[application] - 1
    yield f"set key {unused}", commands.change_key(channel, SealKeyChange(b"", unused, None, factory))
    yield "set master key", commands.change_key(channel, SealKeyChange(b"", 0, order.key(master)))


def _lock(order: PersonalisationOrder) -> Dialogue[CardFailure | None]:
    """Lock the card's settings, and change its master key: from here on the card is finished."""
    channel = yield from _as_card_master(order)
    if isinstance(channel, CardFailure):
        return channel
    change = SealKeyChange(b"", 0, order.key(KeyRole.CARD_MASTER), card_level=True)
    failure = yield from _all(
        [
            ("lock the card's settings", commands.change_key_settings(channel, CARD_SETTINGS)),
            ("set the card's master key", commands.change_key(channel, change)),
        ]
    )
    yield from channel.end()
    return failure


def write_credentials(order: PersonalisationOrder, application: CardApplication) -> Dialogue[CardFailure | None]:
    """Write an application's credential into the files of all its reading roles, with its writing key."""
    role = KeyRole.GATE_WRITE if application is CardApplication.GATE else KeyRole.CANTEEN_MASTER
    channel = DesfireChannel()
    selected = yield from commands.select_application(channel, order.layout.aid(application))
    if not isinstance(selected, bytes):
        return CardFailure(Reason.CARD_INCOMPLETE, f"{application} cannot be selected: {selected!r}")
    failure = yield from authenticate_as(channel, order.key(role), KeyPurpose.ISSUE, accept_ev1=True)
    if failure is None:
        file = order.credentials[application]
        numbers = [KEY_PLACES[each][1] for each in CREDENTIAL_ROLES[application]]
        failure = yield from _all(
            [
                (f"write file {number}", commands.write_data(channel, number, 0, file, CommMode.FULL))
                for number in numbers
            ]
        )
    yield from channel.end()
    return failure


def verify_card(order: PersonalisationOrder) -> Dialogue[tuple[KeyRole, ...] | CardFailure]:
    """Read the credential back with the key of every role that shall read it."""
    verified: list[KeyRole] = []
    for application, file in order.credentials.items():
        for role in CREDENTIAL_ROLES[application]:
            channel = DesfireChannel()
            selected = yield from commands.select_application(channel, order.layout.aid(application))
            if not isinstance(selected, bytes):
                return CardFailure(Reason.CARD_INCOMPLETE, f"{application} cannot be selected: {selected!r}")
            failure = yield from authenticate_as(channel, order.key(role), KeyPurpose.READ, accept_ev1=True)
            if failure is not None:
                return failure
            number = KEY_PLACES[role][1]
            read = yield from commands.read_data(channel, number, 0, CREDENTIAL_FILE_BYTES, CommMode.FULL)
            if isinstance(read, CardFailure):
                return read
            if isinstance(read, Rejected) or read != file:
                return CardFailure(Reason.CARD_INCOMPLETE, f"{role} reads something else than was written")
            verified.append(role)
    return tuple(verified)


def _all(steps: list[Step]) -> Dialogue[CardFailure | None]:
    """Run writes in order; the first that did not certainly succeed ends them."""
    for name, step in steps:
        outcome = yield from step
        if outcome is not WriteOutcome.SUCCEEDED:
            return CardFailure(_OUTCOME_REASONS[outcome], f"{name}: {outcome}")
    return None
