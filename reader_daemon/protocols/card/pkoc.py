"""PKOC over NFC, secure element V1: the card proves that it holds a P-256 key, and its public key is the credential.

Source: PSIA Public Key Open Credential 2.0.1, NFC card specification 1.1. No secret is held here. What the scheme does
not give: the reader is not proven to the card, and the signature binds neither reader nor site, so a live relay works;
fresh 32-byte transaction ids and a short time budget are what stands against it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from cardcore.ids import credential_key
from cardcore.reasons import Reason
from reader_daemon.protocols.card.apdu import Answer, command_apdu, exchange
from reader_daemon.protocols.card.outcome import (
    Assertion,
    Assurance,
    CardFailure,
    Dialogue,
    NotThisScheme,
    SchemeOutcome,
)
from reader_daemon.protocols.card.tlv import encode_tlv, parse_tlv

SCHEME = "pkoc"
PKOC_AID = bytes.fromhex("A000000898000001")
VERSION_1 = bytes.fromhex("0100")
TRANSACTION_ID_BYTES = 32
IDENTIFIER_BYTES = 16
"""Site identifier and reader identifier, each."""
POINT_BYTES = 65
SIGNATURE_BYTES = 64
_HALF = 32

TAG_VERSION = 0x5C
TAG_TRANSACTION_ID = 0x4C
TAG_READER = 0x4D
TAG_PUBLIC_KEY = 0x5A
TAG_SIGNATURE = 0x9E


@dataclass(frozen=True, slots=True)
class PkocReader:
    """How a reader names itself to the card: two identifiers of 16 bytes, which prove nothing."""

    site_id: bytes = bytes(IDENTIFIER_BYTES)
    reader_id: bytes = bytes(IDENTIFIER_BYTES)

    def __post_init__(self) -> None:
        """Refuse identifiers of another length (ValueError)."""
        if len(self.site_id) != IDENTIFIER_BYTES or len(self.reader_id) != IDENTIFIER_BYTES:
            msg = f"site_id and reader_id take {IDENTIFIER_BYTES} bytes each"
            raise ValueError(msg)


UNNAMED_READER = PkocReader()


def pkoc_dialogue(reader: PkocReader, random_bytes: Callable[[int], bytes]) -> Dialogue[SchemeOutcome]:
    """Select the application, send a fresh transaction id, verify the signature over it.

    `random_bytes(count)` must be a CSPRNG. Ends in `NotThisScheme` when the card refuses the SELECT, in
    `card_not_genuine` when key or signature is wrong, in `card_unreadable` when an answer has not the form of the
    standard.
    """
    selected = yield from exchange(command_apdu(bytes.fromhex("00A40400"), PKOC_AID))
    if isinstance(selected, CardFailure):
        return selected
    if not selected.accepted:
        return NotThisScheme(f"SELECT PKOC answered {selected.status:04X}")
    refusal = _refuse_versions(selected)
    if refusal is not None:
        return refusal
    transaction_id = random_bytes(TRANSACTION_ID_BYTES)
    request = (
        encode_tlv(TAG_VERSION, VERSION_1)
        + encode_tlv(TAG_TRANSACTION_ID, transaction_id)
        + encode_tlv(TAG_READER, reader.site_id + reader.reader_id)
    )
    answer = yield from exchange(command_apdu(bytes.fromhex("80800001"), request))
    if isinstance(answer, CardFailure):
        return answer
    if not answer.accepted:
        return CardFailure(Reason.CARD_UNREADABLE, f"PKOC AUTHENTICATE answered {answer.status:04X}")
    return verify_answer(answer.data, transaction_id)


def _refuse_versions(selected: Answer) -> CardFailure | None:
    """Return why the SELECT answer cannot be used, or None when the card offers V1."""
    fields = parse_tlv(selected.data)
    if isinstance(fields, CardFailure):
        return fields
    offered = fields.get(TAG_VERSION, b"")
    if not offered or len(offered) % 2:
        return CardFailure(Reason.CARD_UNREADABLE, "PKOC SELECT answer names no version")
    versions = [offered[at : at + 2] for at in range(0, len(offered), 2)]
    if VERSION_1 not in versions:
        return CardFailure(Reason.CARD_UNKNOWN_TYPE, f"PKOC versions offered: {offered.hex()}; understood: 0100")
    return None


def verify_answer(data: bytes, transaction_id: bytes) -> Assertion | CardFailure:
    """Check the answer to AUTHENTICATE against the transaction id.

    It holds the TLVs 5A (public key, 65 bytes) and 9E (r and s, 64 bytes) in either order. The credential is the X
    coordinate of the key, 32 bytes as hex.
    """
    fields = parse_tlv(data)
    if isinstance(fields, CardFailure):
        return fields
    point, signature = fields.get(TAG_PUBLIC_KEY, b""), fields.get(TAG_SIGNATURE, b"")
    if len(point) != POINT_BYTES or len(signature) != SIGNATURE_BYTES:
        return CardFailure(
            Reason.CARD_UNREADABLE, f"PKOC answer: key of {len(point)} bytes, signature of {len(signature)} bytes"
        )
    r, s = int.from_bytes(signature[:_HALF], "big"), int.from_bytes(signature[_HALF:], "big")
    if r == 0 or s == 0:
        return CardFailure(Reason.CARD_NOT_GENUINE, "PKOC signature has a zero half")
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError:
        return CardFailure(Reason.CARD_NOT_GENUINE, "PKOC key is no point of P-256")
    try:
        key.verify(encode_dss_signature(r, s), transaction_id, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return CardFailure(Reason.CARD_NOT_GENUINE, "PKOC signature does not verify")
    credential = credential_key(f"{SCHEME}:{point[1 : 1 + _HALF].hex()}")
    return Assertion(SCHEME, credential, Assurance.HIGH, "P-256 signature over a fresh transaction id")
