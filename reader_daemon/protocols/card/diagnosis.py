"""What a card on the reader is, as far as it tells without any key: `onecard-reader card doctor`. Never writes.

Authentications are only begun, to see whether the card takes the method; none is finished and no key is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cardcore.card_keys.roles import KEY_COUNTS, CardApplication, CardLayout
from reader_daemon.protocols.card.apdu import command_apdu, exchange
from reader_daemon.protocols.card.cpu_card import NAMES
from reader_daemon.protocols.card.desfire_channel import DesfireChannel
from reader_daemon.protocols.card.desfire_commands import (
    get_key_settings,
    get_key_version,
    get_version,
    select_application,
)
from reader_daemon.protocols.card.native import DesfireStatus, NativeAnswer, native_frame
from reader_daemon.protocols.card.outcome import CardFailure, Dialogue
from reader_daemon.protocols.card.pkoc import PKOC_AID

DIAGNOSIS_EXCHANGES = 128
UNSET = "factory"
_GENERATIONS = {0x00: "DESFire (before EV1)", 0x01: "DESFire EV1", 0x12: "DESFire EV2", 0x33: "DESFire EV3"}
_KEY_TYPES = {0x00: "DES", 0x40: "3K3DES", 0x80: "AES"}
_METHODS = (
    ("EV2", 0x71, b"\x00"),
    ("LRP", 0x71, b"\x01\x02"),
    ("EV1 AES", 0xAA, b""),
    ("DES (blank cards only)", 0x0A, b""),
)
_UID = slice(14, 21)
_KEY_NUMBER_MASK = 0x0F
_KEY_TYPE_MASK = 0xC0


@dataclass(frozen=True, slots=True)
class Found:
    """One line of the diagnosis."""

    subject: str
    detail: str


def diagnose(layout: CardLayout) -> Dialogue[tuple[Found, ...] | CardFailure]:
    """Look at everything that a reader of this site would try, and say what is there."""
    found: list[Found] = []
    told = yield from exchange(command_apdu(bytes.fromhex("FFCA0000")))
    if isinstance(told, CardFailure):
        return told
    uid = told.data.hex() if told.accepted else f"the reader tells none ({told.status:04X})"
    found.append(Found("serial number", uid + (" (random, changes each time)" if uid.startswith("08") else "")))
    for name, aid in (("PKOC", PKOC_AID), *((f"CPU card, {place}", aid) for place, aid in NAMES.items())):
        selected = yield from exchange(command_apdu(bytes.fromhex("00A40400"), aid))
        if isinstance(selected, CardFailure):
            return selected
        found.append(Found(name, f"yes: {selected.data.hex()}" if selected.accepted else "no"))
    card = yield from native_frame(0x5A, bytes(3))
    if isinstance(card, CardFailure):
        return card
    if not isinstance(card, NativeAnswer) or card.status != DesfireStatus.DONE:
        found.append(Found("DESFire", "no"))
        return tuple(found)
    desfire = yield from _desfire(layout)
    return desfire if isinstance(desfire, CardFailure) else (*found, *desfire)


def _desfire(layout: CardLayout) -> Dialogue[tuple[Found, ...] | CardFailure]:
    found: list[Found] = []
    version = yield from get_version(DesfireChannel())
    if isinstance(version, CardFailure):
        return version
    if isinstance(version, bytes) and len(version) >= _UID.stop:
        generation = _GENERATIONS.get(version[3], f"DESFire of version {version[3]:02X}")
        memory = 1 << (version[5] >> 1)
        found.append(Found("DESFire", f"{generation}, {memory} bytes, serial number {version[_UID].hex()}"))
    for application in (CardApplication.CARD, *KEY_COUNTS):
        looked = yield from _application(layout, application)
        if isinstance(looked, CardFailure):
            return looked
        found += looked
    return tuple(found)


def _application(layout: CardLayout, application: CardApplication) -> Dialogue[tuple[Found, ...] | CardFailure]:
    aid = layout.aid(application)
    name = f"{application} {aid.hex()}"
    selected = yield from select_application(DesfireChannel(), aid)
    if isinstance(selected, CardFailure):
        return selected
    if not isinstance(selected, bytes):
        return (Found(name, f"not on the card ({selected.status:02X})"),)
    settings = yield from get_key_settings(DesfireChannel())
    if isinstance(settings, CardFailure):
        return settings
    count, kind = KEY_COUNTS.get(application, 1), "keys of a kind it does not tell"
    if isinstance(settings, bytes) and len(settings) > 1:
        count = settings[1] & _KEY_NUMBER_MASK or 1
        kind = f"{count} {_KEY_TYPES.get(settings[1] & _KEY_TYPE_MASK, 'unknown')} key(s), settings {settings[0]:02x}"
    epochs = []
    for number in range(count):
        version = yield from get_key_version(DesfireChannel(), number)
        if isinstance(version, CardFailure):
            return version
        epochs.append(_epoch(version if isinstance(version, bytes) else b""))
    accepted = []
    for method, instruction, capabilities in _METHODS:
        begun = yield from native_frame(instruction, b"\0" + capabilities)
        if isinstance(begun, CardFailure):
            return begun
        if isinstance(begun, NativeAnswer) and begun.status == DesfireStatus.MORE:
            accepted.append(method)
    return tuple(_lines(name, kind, epochs, accepted))


def _epoch(version: bytes) -> str:
    if len(version) != 1:
        return "?"
    return str(version[0]) if version[0] else UNSET


def _lines(name: str, kind: str, epochs: list[str], accepted: list[str]) -> Iterator[Found]:
    yield Found(name, kind)
    yield Found(f"{name} key epochs", ", ".join(f"{number}: {epoch}" for number, epoch in enumerate(epochs)))
    yield Found(f"{name} authentication", ", ".join(accepted) or "none that a reader here knows")
