"""The credential file on a card: 106 bytes that an issuer signed, one for each application, with an id of its own.

    at  bytes
     0    1   version, 1
     1    1   signature algorithm: 1 Ed25519, 2 ECDSA P-256 with SHA-256 (r, s)
     2    4   issuer id
     6    1   application: 1 gate, 2 canteen
     7    1   product: 1 combined, 2 gate only, 3 canteen only, 4 visitor, 5 contractor
     8   16   credential id, random: gate and canteen carry unlike ones, so nobody can join the two without the server
    24    1   length of the serial number, 4, 7 or 10
    25   10   serial number, zeros after it
    35    2   issue number, from 1; a higher one kills the copies issued before
    37    1   key epoch, from 1
    38    4   not after, seconds since 1970; 0 = no end
    42   64   signature over a tag, the AID of the application, and bytes 0..41

All numbers big-endian. The signature shows that the issuer made this file for this card and application. It does not
show that the card at the reader is that card: only the mutual authentication with the card's own key does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from cardcore.access.items import Product
from cardcore.card_keys.roles import CardApplication
from cardcore.issuer import ISSUER_ID_BYTES, SIGNATURE_BYTES, IssuerKey, SignatureAlgorithm, issuer_of

CREDENTIAL_FILE_BYTES = 106
CREDENTIAL_ID_BYTES = 16
MAX_ISSUE_NUMBER = 0xFFFF
_SIGNED_BYTES = CREDENTIAL_FILE_BYTES - SIGNATURE_BYTES
_VERSION = 1
_TAG = b"onecard-credential-1"
_UID_FIELD_BYTES = 10
_UID_SIZES = (4, 7, 10)
_APPLICATIONS = {CardApplication.GATE: 1, CardApplication.CANTEEN: 2}
_PRODUCTS = {
    Product.COMBINED: 1,
    Product.GATE_ONLY: 2,
    Product.CANTEEN_ONLY: 3,
    Product.VISITOR: 4,
    Product.CONTRACTOR: 5,
}

Sign = Callable[[bytes], bytes]
"""Returns the 64-byte signature of the issuer over its argument."""


class CredentialProblem(StrEnum):
    """Why a credential file is not believed."""

    MALFORMED = "malformed"
    UNKNOWN_ISSUER = "unknown_issuer"
    """Well formed, by an issuer whose key this site does not hold: another site's card."""
    WRONG_SIGNATURE = "wrong_signature"


@dataclass(frozen=True, slots=True)
class Credential:
    """What a credential file says."""

    issuer_id: bytes
    application: CardApplication
    product: Product
    credential_id: bytes
    uid: bytes
    issue_number: int
    key_epoch: int
    not_after: int = 0
    algorithm: SignatureAlgorithm = SignatureAlgorithm.ED25519

    def __post_init__(self) -> None:
        """Refuse what does not fit the format (ValueError)."""
        fits = (
            len(self.issuer_id) == ISSUER_ID_BYTES
            and self.application in _APPLICATIONS
            and len(self.credential_id) == CREDENTIAL_ID_BYTES
            and any(self.credential_id)
            and len(self.uid) in _UID_SIZES
            and 1 <= self.issue_number <= MAX_ISSUE_NUMBER
            and self.key_epoch in range(1, 256)
            and self.not_after in range(1 << 32)
        )
        if not fits:
            msg = f"no credential file can hold {self}"
            raise ValueError(msg)


def credential_body(credential: Credential) -> bytes:
    """Return the 42 bytes before the signature."""
    return b"".join(
        (
            bytes([_VERSION, credential.algorithm]),
            credential.issuer_id,
            bytes([_APPLICATIONS[credential.application], _PRODUCTS[credential.product]]),
            credential.credential_id,
            bytes([len(credential.uid)]),
            credential.uid.ljust(_UID_FIELD_BYTES, b"\0"),
            credential.issue_number.to_bytes(2, "big"),
            bytes([credential.key_epoch]),
            credential.not_after.to_bytes(4, "big"),
        )
    )


def credential_signing_input(body: bytes, aid: bytes) -> bytes:
    """Return what the issuer signs: a tag, the 3 (DESFire) to 16 (ISO 7816) bytes of AID with length, the body."""
    return _TAG + bytes([len(aid)]) + aid + body


def sign_credential(credential: Credential, aid: bytes, sign: Sign) -> bytes:
    """Return the whole file, 106 bytes."""
    body = credential_body(credential)
    signature = sign(credential_signing_input(body, aid))
    assert len(signature) == SIGNATURE_BYTES, "an issuer's signature has 64 bytes"
    return body + signature


def read_credential(file: bytes) -> Credential | CredentialProblem:
    """Read a file without checking its signature: only for looking at it."""
    if len(file) != CREDENTIAL_FILE_BYTES or file[0] != _VERSION:
        return CredentialProblem.MALFORMED
    applications = {number: application for application, number in _APPLICATIONS.items()}
    products = {number: product for product, number in _PRODUCTS.items()}
    try:
        credential = Credential(
            issuer_id=file[2:6],
            application=applications[file[6]],
            product=products[file[7]],
            credential_id=file[8:24],
            uid=file[25 : 25 + file[24]],
            issue_number=int.from_bytes(file[35:37], "big"),
            key_epoch=file[37],
            not_after=int.from_bytes(file[38:42], "big"),
            algorithm=SignatureAlgorithm(file[1]),
        )
    except (ValueError, KeyError):
        return CredentialProblem.MALFORMED
    # one encoding only: what is not written exactly so was not written by an issuer
    return credential if credential_body(credential) == file[:_SIGNED_BYTES] else CredentialProblem.MALFORMED


def verified_credential(file: bytes, aid: bytes, issuers: Iterable[IssuerKey]) -> Credential | CredentialProblem:
    """Read a file and check its signature by one of `issuers`, for the application selected as `aid`."""
    credential = read_credential(file)
    if isinstance(credential, CredentialProblem):
        return credential
    data = credential_signing_input(file[:_SIGNED_BYTES], aid)
    match issuer_of(issuers, credential.issuer_id, credential.algorithm, file[_SIGNED_BYTES:], data):
        case None:
            return CredentialProblem.UNKNOWN_ISSUER
        case True:
            return credential
        case _:
            return CredentialProblem.WRONG_SIGNATURE
