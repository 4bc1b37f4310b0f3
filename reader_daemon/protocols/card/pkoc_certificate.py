"""The card-verifiable certificate of PKOC V2: read strictly, its issuer's signature checked, its dates as days.

    7F21 { 7F4E { 5F29 profile, 42 issuer reference, 7F49 { 06 curve, 86 point }, 5F20 subject, 5F25 from, 5F24 to,
                  65 { 73 { 06 oid, 53 value } .. } }, 5F37 signature over the whole 7F4E }

Source: PSIA Public Key Open Credential 2.0.1. P-256 with SHA-256 only: an RSA certificate is refused as unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from cardcore.issuer import IssuerKey, SignatureAlgorithm, signed_by
from cardcore.reasons import Reason
from reader_daemon.protocols.card.outcome import CardFailure
from reader_daemon.protocols.card.tlv import encode_tlv, parse_tlv

P256_OID = bytes.fromhex("2A8648CE3D030107")
POINT_BYTES = 65
REFERENCE_BYTES = 16
TAG_CERTIFICATE, TAG_BODY, TAG_SIGNATURE = 0x7F21, 0x7F4E, 0x5F37
_PROFILE, _ISSUER, _KEY, _SUBJECT, _FROM, _TO, _EXTENSIONS = 0x5F29, 0x42, 0x7F49, 0x5F20, 0x5F25, 0x5F24, 0x65
_OID, _POINT = 0x06, 0x86
_REQUIRED = (_PROFILE, _ISSUER, _KEY, _SUBJECT, _FROM, _TO)
_ALLOWED = {*_REQUIRED, _EXTENSIONS}
_DATE_DIGITS = 6
_CENTURY = 2_000

Anchors = tuple[tuple[bytes, bytes], ...]
"""Issuer reference (16 bytes) and uncompressed P-256 point; several of one issuer may be believed at once."""


@dataclass(frozen=True, slots=True)
class CardCertificate:
    """What a certificate says. Both dates are included in its life."""

    issuer_reference: bytes
    subject: bytes
    point: bytes
    begins: date
    ends: date


def verified_certificate(raw: bytes, anchors: Anchors) -> CardCertificate | CardFailure:
    """Read a certificate and check who signed it; does not look at the calendar."""
    outer = parse_tlv(raw)
    inner = outer if isinstance(outer, CardFailure) else parse_tlv(outer.get(TAG_CERTIFICATE, b""))
    if isinstance(outer, CardFailure) or isinstance(inner, CardFailure):
        return CardFailure(Reason.CARD_UNREADABLE, f"certificate: {outer if isinstance(outer, CardFailure) else inner}")
    if set(outer) != {TAG_CERTIFICATE} or list(inner) != [TAG_BODY, TAG_SIGNATURE]:
        return CardFailure(Reason.CARD_UNREADABLE, "certificate without its two parts in order")
    read = _body(inner[TAG_BODY])
    if isinstance(read, CardFailure):
        return read
    points = [point for reference, point in anchors if reference == read.issuer_reference]
    if not points:
        return CardFailure(Reason.CARD_OF_OTHER_SITE, f"issuer {read.issuer_reference!r} is not believed here")
    keys = [IssuerKey(bytes(4), SignatureAlgorithm.ECDSA_P256, point) for point in points]
    signed = encode_tlv(TAG_BODY, inner[TAG_BODY])
    if not any(signed_by(key, inner[TAG_SIGNATURE], signed) for key in keys):
        return CardFailure(Reason.CARD_NOT_GENUINE, "the certificate's signature is wrong")
    return read


def _body(raw: bytes) -> CardCertificate | CardFailure:
    fields = parse_tlv(raw)
    if isinstance(fields, CardFailure):
        return fields
    missing = [f"{tag:X}" for tag in _REQUIRED if tag not in fields]
    if missing or set(fields) - _ALLOWED or fields[_PROFILE] != b"\0":
        return CardFailure(Reason.CARD_UNREADABLE, f"certificate body: missing {missing}, or of another profile")
    key = parse_tlv(fields[_KEY])
    if isinstance(key, CardFailure):
        return key
    if key.get(_OID) != P256_OID:
        return CardFailure(Reason.CARD_UNKNOWN_TYPE, "the certificate's key is not on P-256")
    point, begins, ends = key.get(_POINT, b""), _date(fields[_FROM]), _date(fields[_TO])
    if len(point) != POINT_BYTES or len(fields[_ISSUER]) != REFERENCE_BYTES or begins is None or ends is None:
        return CardFailure(Reason.CARD_UNREADABLE, "certificate with a key, issuer or date of wrong form")
    return CardCertificate(fields[_ISSUER], fields[_SUBJECT], point, begins, ends)


def _date(digits: bytes) -> date | None:
    """Read YYMMDD, one decimal digit a byte, of this century."""
    if len(digits) != _DATE_DIGITS or any(digit > 9 for digit in digits):  # noqa: PLR2004 - decimal
        return None
    year, month, day = (digits[at] * 10 + digits[at + 1] for at in (0, 2, 4))
    try:
        return date(_CENTURY + year, month, day)
    except ValueError:
        return None
