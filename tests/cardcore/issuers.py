"""An issuer for tests, with either algorithm, and a second one that nobody here believes."""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from cardcore.issuer import IssuerKey, SignatureAlgorithm

ISSUER_ID = bytes.fromhex("00C0FFEE")
_ED25519 = Ed25519PrivateKey.from_private_bytes(b"I" * 32)
_P256 = ec.derive_private_key(1234567, ec.SECP256R1())
ED25519_ISSUER = IssuerKey(ISSUER_ID, SignatureAlgorithm.ED25519, _ED25519.public_key().public_bytes_raw())
P256_ISSUER = IssuerKey(
    ISSUER_ID,
    SignatureAlgorithm.ECDSA_P256,
    _P256.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint),
)
ISSUERS = (ED25519_ISSUER, P256_ISSUER)


def sign_ed25519(data: bytes) -> bytes:
    return _ED25519.sign(data)


def sign_p256(data: bytes) -> bytes:
    r, s = decode_dss_signature(_P256.sign(data, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


SIGN = {SignatureAlgorithm.ED25519: sign_ed25519, SignatureAlgorithm.ECDSA_P256: sign_p256}
