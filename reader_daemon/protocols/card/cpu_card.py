"""CPU cards of ISO/IEC 7816-4 with SM4 (GB/T 32907): both sides prove a key, then one signed file is read.

Own profile, for a JavaCard applet or a card operating system that can be set so; its data sheet decides whether a
given product can. The application is selected by name; the answer is 6F { 84 name, A5 { C1 serial number 7, C2 key
epoch 1 } }. Then GET CHALLENGE, EXTERNAL AUTHENTICATE, INTERNAL AUTHENTICATE, READ BINARY of short file 1. Reader
and card prove different keys derived from one, so that no cryptogram can be sent back. SM1 and SM7 need a PSAM.
"""

from __future__ import annotations

from cardcore.card_keys.asks import (
    Authenticated,
    BeginAuthentication,
    Begun,
    CardMethod,
    FinishAuthentication,
    KeyName,
    KeyPurpose,
    KeyRefused,
)
from cardcore.card_keys.roles import FACTORY_EPOCH, UID_BYTES, CardApplication
from cardcore.credential import CREDENTIAL_FILE_BYTES
from cardcore.ids import credential_key
from cardcore.reasons import Reason
from reader_daemon.protocols.card.apdu import Answer, command_apdu, exchange
from reader_daemon.protocols.card.desfire import DesfireReader, believed
from reader_daemon.protocols.card.outcome import (
    REFUSAL_REASONS,
    Assertion,
    Assurance,
    CardFailure,
    Dialogue,
    NotThisScheme,
    SchemeOutcome,
    ask_keys,
)
from reader_daemon.protocols.card.tlv import parse_tlv

SCHEME = "cpu"
NAMES = {
    CardApplication.GATE: bytes.fromhex("F04F4E454341524401"),
    CardApplication.CANTEEN: bytes.fromhex("F04F4E454341524402"),
}
"""Proprietary application names: F0 and ONECARD, then the application."""
BLOCK_BYTES = 16
SHORT_FILE = 0x81
_TEMPLATE, _PROPRIETARY, _SERIAL, _EPOCH = 0x6F, 0xA5, 0xC1, 0xC2


def cpu_dialogue(reader: DesfireReader) -> Dialogue[SchemeOutcome]:
    """Run the tap; role, layout and issuers as for DESFire. Six exchanges, two questions to the key source."""
    name = NAMES[reader.application]
    selected = yield from exchange(command_apdu(bytes.fromhex("00A40400"), name))
    if isinstance(selected, CardFailure):
        return selected
    if not selected.accepted:
        return NotThisScheme(f"SELECT CPU application answered {selected.status:04X}")
    card = _identity(selected.data)
    if isinstance(card, CardFailure):
        return card
    uid, epoch = card
    failure = yield from _authenticate(KeyName(reader.role, uid, epoch))
    if failure is not None:
        return failure
    answer = yield from exchange(command_apdu(bytes([0x00, 0xB0, SHORT_FILE, 0x00]), expected=CREDENTIAL_FILE_BYTES))
    file = _data(answer, CREDENTIAL_FILE_BYTES, "READ BINARY")
    if isinstance(file, CardFailure):
        return file
    credential = believed(file, name, reader.application, uid, reader.issuers)
    if isinstance(credential, CardFailure):
        return credential
    return Assertion(
        SCHEME,
        credential_key(f"{SCHEME}:{credential.credential_id.hex()}"),
        Assurance.HIGH,
        f"SM4 with {reader.role} of epoch {epoch}",
        issue_number=credential.issue_number,
    )


def _identity(template: bytes) -> tuple[bytes, int] | CardFailure:
    """Read serial number and key epoch from the answer to SELECT."""
    outer = parse_tlv(template)
    inner = outer if isinstance(outer, CardFailure) else parse_tlv(outer.get(_TEMPLATE, b""))
    fields = inner if isinstance(inner, CardFailure) else parse_tlv(inner.get(_PROPRIETARY, b""))
    if isinstance(fields, CardFailure):
        return fields
    uid, epoch = fields.get(_SERIAL, b""), fields.get(_EPOCH, b"")
    if len(uid) != UID_BYTES or not any(uid) or len(epoch) != 1:
        return CardFailure(Reason.CARD_UNREADABLE, "the answer to SELECT names no serial number or key epoch")
    if epoch[0] == FACTORY_EPOCH:
        return CardFailure(Reason.CARD_INCOMPLETE, "the card's keys were never set")
    return uid, epoch[0]


def _authenticate(key: KeyName) -> Dialogue[CardFailure | None]:
    answer = yield from exchange(command_apdu(bytes.fromhex("00840000"), expected=BLOCK_BYTES))
    challenge = _data(answer, BLOCK_BYTES, "GET CHALLENGE")
    if isinstance(challenge, CardFailure):
        return challenge
    begun = yield from ask_keys(BeginAuthentication(CardMethod.SM4, key, KeyPurpose.READ, challenge))
    if not isinstance(begun, Begun):
        return _refused(begun)
    cryptogram, ours = begun.token[:BLOCK_BYTES], begun.token[BLOCK_BYTES:]
    shown = yield from exchange(command_apdu(bytes.fromhex("00820000"), cryptogram, expected=None))
    if isinstance(shown, CardFailure):
        return shown
    if not shown.accepted:
        return CardFailure(Reason.CARD_NOT_GENUINE, f"the card refuses our proof: {shown.status:04X}")
    answer = yield from exchange(command_apdu(bytes.fromhex("00880000"), ours, expected=BLOCK_BYTES))
    proof = _data(answer, BLOCK_BYTES, "INTERNAL AUTHENTICATE")
    if isinstance(proof, CardFailure):
        return proof
    finished = yield from ask_keys(FinishAuthentication(begun.handle, proof))
    return None if isinstance(finished, Authenticated) else _refused(finished)


def _data(answer: Answer | CardFailure, size: int, command: str) -> bytes | CardFailure:
    """Return the data of an accepted answer of exactly `size` bytes."""
    if isinstance(answer, CardFailure):
        return answer
    if not answer.accepted or len(answer.data) != size:
        return CardFailure(Reason.CARD_UNREADABLE, f"{command}: {len(answer.data)} bytes, status {answer.status:04X}")
    return answer.data


def _refused(answer: object) -> CardFailure:
    if isinstance(answer, KeyRefused):
        return CardFailure(REFUSAL_REASONS[answer.refusal], f"key source: {answer.refusal}: {answer.detail}")
    return CardFailure(Reason.KEYS_UNAVAILABLE, f"key source answered with {type(answer).__name__}")
