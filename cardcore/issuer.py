"""Issuer signatures: who signs card files and passes, and how such a signature is checked.

Ed25519 (RFC 8032) by default, ECDSA P-256 with SHA-256 where an HSM offers nothing else; both are 64 bytes. Private
keys never come here: whoever signs hands in a function.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

ISSUER_ID_BYTES = 4
SIGNATURE_BYTES = 64
MAX_ISSUERS = 16
"""Issuer keys a reader believes at once: the present one, the one before, a neighbour's."""
_HALF = 32


class SignatureAlgorithm(IntEnum):
    """The byte in a file that names the algorithm."""

    ED25519 = 1
    ECDSA_P256 = 2


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """A public key that is believed. `public` is 32 bytes (Ed25519) or an uncompressed point of 65 (P-256)."""

    issuer_id: bytes
    algorithm: SignatureAlgorithm
    public: bytes

    def __post_init__(self) -> None:
        """Refuse an issuer id of another length (ValueError)."""
        if len(self.issuer_id) != ISSUER_ID_BYTES:
            msg = f"an issuer id has {ISSUER_ID_BYTES} bytes, got {len(self.issuer_id)}"
            raise ValueError(msg)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `issuer id in hex:ed25519 or p256:public key in hex`; raises ValueError naming the form."""
        names = {"ed25519": SignatureAlgorithm.ED25519, "p256": SignatureAlgorithm.ECDSA_P256}
        try:
            issuer, algorithm, public = text.split(":")
            key = cls(bytes.fromhex(issuer), names[algorithm], bytes.fromhex(public))
            _load(key)
        except (ValueError, KeyError) as error:
            msg = f"{text!r} is no issuer key: 8 hex digits, :ed25519: and 64 hex digits, or :p256: and 130 hex digits"
            raise ValueError(msg) from error
        return key

    def text(self) -> str:
        """Return the form that `parse` reads."""
        name = "ed25519" if self.algorithm is SignatureAlgorithm.ED25519 else "p256"
        return f"{self.issuer_id.hex()}:{name}:{self.public.hex()}"


def _load(key: IssuerKey) -> Ed25519PublicKey | ec.EllipticCurvePublicKey:
    if key.algorithm is SignatureAlgorithm.ED25519:
        return Ed25519PublicKey.from_public_bytes(key.public)
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key.public)


def signed_by(key: IssuerKey, signature: bytes, data: bytes) -> bool:
    """Tell whether `signature` is this issuer's over `data`; a malformed key or signature is simply wrong."""
    if len(signature) != SIGNATURE_BYTES:
        return False
    try:
        public = _load(key)
        if isinstance(public, Ed25519PublicKey):
            public.verify(signature, data)
        else:
            r, s = int.from_bytes(signature[:_HALF], "big"), int.from_bytes(signature[_HALF:], "big")
            public.verify(encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def issuer_of(
    issuers: Iterable[IssuerKey], issuer_id: bytes, algorithm: SignatureAlgorithm, signature: bytes, data: bytes
) -> bool | None:
    """Tell whether one of the issuer's keys signed `data`; None when no key of that issuer is known."""
    keys = [key for key in issuers if key.issuer_id == issuer_id and key.algorithm is algorithm][:MAX_ISSUERS]
    return any(signed_by(key, signature, data) for key in keys) if keys else None
