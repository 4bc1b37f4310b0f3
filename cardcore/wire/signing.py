"""What is signed on the link, byte for byte, so that both sides build the same input.

Every input begins with its own domain tag: a signature for one purpose can never serve another. Ed25519 (RFC 8032).
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cardcore.wire.messages import Deny, Hello, Welcome


def hello_bytes(challenge_nonce: bytes, hello: Hello) -> bytes:
    """Input of the daemon's proof: the server's nonce, then everything the hello claims."""
    numbers = (
        hello.wire_version,
        hello.epoch,
        hello.last_seq,
        hello.acked_through,
        hello.policy_version,
        hello.deny_version,
    )
    texts = (hello.device, hello.software, hello.generation)
    return _join(
        b"onecard-hello-1",
        challenge_nonce,
        hello.nonce,
        hello.content_hash,
        *(text.encode() for text in texts),
        *(number.to_bytes(8, "big") for number in numbers),
    )


def welcome_bytes(daemon_nonce: bytes, device: str, welcome: Welcome) -> bytes:
    """Input of the server's proof: the daemon's nonce, then what the welcome promises."""
    return _join(
        b"onecard-welcome-1",
        daemon_nonce,
        device.encode(),
        welcome.generation.encode(),
        welcome.acked_through.to_bytes(8, "big"),
        welcome.head_hash,
    )


def state_bytes(site: str, base_version: int, version: int, content_hash: bytes) -> bytes:
    """Input of the signature over a policy version: bound to the site, so another site's snapshot never installs."""
    return _join(
        b"onecard-state-1", site.encode(), base_version.to_bytes(8, "big"), version.to_bytes(8, "big"), content_hash
    )


def deny_bytes(site: str, deny: Deny) -> bytes:
    """Input of the signature over a deny list."""
    entries = (part.encode() for entry in deny.entries for part in entry)
    return _join(b"onecard-deny-1", site.encode(), deny.version.to_bytes(8, "big"), *entries)


def upload_bytes(epoch: int, last_seq: int, last_hash: bytes) -> bytes:
    """Input of the daemon's signature over the head of the chain it uploads."""
    return _join(b"onecard-upload-1", epoch.to_bytes(8, "big"), last_seq.to_bytes(8, "big"), last_hash)


def sign(private_key: Ed25519PrivateKey, data: bytes) -> bytes:
    """Return the 64-byte signature."""
    return private_key.sign(data)


def verified(public_key: bytes, signature: bytes, data: bytes) -> bool:
    """Tell whether a signature is right; a malformed key or signature is simply wrong."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def _join(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)
