"""PKOC over NFC, secure elements V1 and V2: the card proves that it holds a P-256 key, which is the credential.

Source: PSIA Public Key Open Credential 2.0.1, NFC card specification 1.1. No secret is held here. What the scheme does
not give: the reader is not proven to the card, and the signature binds neither reader nor site, so a live relay works;
fresh 32-byte transaction ids and a short time budget are what stands against it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

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
from reader_daemon.protocols.card.pkoc_certificate import Anchors, verified_certificate
from reader_daemon.protocols.card.tlv import encode_tlv, parse_tlv

SCHEME = "pkoc"
PKOC_AID = bytes.fromhex("A000000898000001")
VERSION_1 = bytes.fromhex("0100")
VERSION_2 = bytes.fromhex("0200")
CHALLENGE_BYTES = 32
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


def _no_today() -> date:
    msg = "a reader with anchors needs to know the day"
    raise LookupError(msg)


@dataclass(frozen=True, slots=True)
class PkocReader:
    """How a reader names itself to the card: two identifiers of 16 bytes, which prove nothing."""

    site_id: bytes = bytes(IDENTIFIER_BYTES)
    reader_id: bytes = bytes(IDENTIFIER_BYTES)
    anchors: Anchors = ()
    """Issuers whose certificates are believed. With any, only cards with such a certificate (V2) are read."""
    today: Callable[[], date] = _no_today
    """The site's day, for the certificate's dates; needed with anchors."""

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
    version = _version(selected, validated=bool(reader.anchors))
    if isinstance(version, CardFailure):
        return version
    if version == VERSION_2:
        return (yield from _prove_certificate(reader, random_bytes))
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


def _version(selected: Answer, *, validated: bool) -> bytes | CardFailure:
    """Return the version to speak: V2 where certificates are wanted, else V1; or why there is none."""
    fields = parse_tlv(selected.data)
    if isinstance(fields, CardFailure):
        return fields
    offered = fields.get(TAG_VERSION, b"")
    if not offered or len(offered) % 2:
        return CardFailure(Reason.CARD_UNREADABLE, "PKOC SELECT answer names no version")
    versions = [offered[at : at + 2] for at in range(0, len(offered), 2)]
    wanted = VERSION_2 if validated else VERSION_1
    if wanted not in versions:
        detail = f"PKOC versions offered: {offered.hex()}; wanted here: {wanted.hex()}"
        return CardFailure(Reason.CARD_UNKNOWN_TYPE, detail)
    return wanted


def _prove_certificate(reader: PkocReader, random_bytes: Callable[[int], bytes]) -> Dialogue[SchemeOutcome]:
    """Read the certificate, verify issuer and dates, and let the card prove the certified key over a challenge."""
    answer = yield from exchange(command_apdu(bytes.fromhex("00CA7F21")))
    if isinstance(answer, CardFailure):
        return answer
    if not answer.accepted:
        return CardFailure(Reason.CARD_UNREADABLE, f"PKOC certificate: status {answer.status:04X}")
    certificate = verified_certificate(answer.data, reader.anchors)
    if isinstance(certificate, CardFailure):
        return certificate
    today = reader.today()
    if not certificate.begins <= today <= certificate.ends:
        reason = Reason.CARD_EXPIRED if today > certificate.ends else Reason.CARD_NOT_YET_VALID
        return CardFailure(reason, f"certificate of {certificate.begins} to {certificate.ends}")
    challenge = random_bytes(CHALLENGE_BYTES)
    answer = yield from exchange(command_apdu(bytes.fromhex("00880000"), challenge))
    if isinstance(answer, CardFailure):
        return answer
    fields = parse_tlv(answer.data)
    if not answer.accepted or isinstance(fields, CardFailure) or set(fields) != {TAG_SIGNATURE}:
        return CardFailure(Reason.CARD_UNREADABLE, f"PKOC INTERNAL AUTHENTICATE: status {answer.status:04X}")
    return _proven(certificate.point, fields[TAG_SIGNATURE], challenge, "issuer certificate, signature over challenge")


def verify_answer(data: bytes, transaction_id: bytes) -> Assertion | CardFailure:
    """Check the answer to AUTHENTICATE against the transaction id.

    It holds the TLVs 5A (public key, 65 bytes) and 9E (r and s, 64 bytes) in either order. The credential is the X
    coordinate of the key, 32 bytes as hex.
    """
    fields = parse_tlv(data)
    if isinstance(fields, CardFailure):
        return fields
    point, signature = fields.get(TAG_PUBLIC_KEY, b""), fields.get(TAG_SIGNATURE, b"")
    return _proven(point, signature, transaction_id, "P-256 signature over a fresh transaction id")


def _proven(point: bytes, signature: bytes, message: bytes, evidence: str) -> Assertion | CardFailure:
    """Verify a proof of form and substance; the credential is the key's X coordinate, 32 bytes as hex."""
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
        key.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return CardFailure(Reason.CARD_NOT_GENUINE, "PKOC signature does not verify")
    credential = credential_key(f"{SCHEME}:{point[1 : 1 + _HALF].hex()}")
    return Assertion(SCHEME, credential, Assurance.HIGH, evidence)
