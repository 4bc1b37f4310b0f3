"""The file with an edge key: masters of reading roles, sealed for one device, made by the key service.

Sealed with AES-256-GCM under a key that HKDF-SHA256 makes from the device's record key, which only server and device
hold. It keeps a copied file useless on another box; it does not keep them from whoever has root on this one.

    8 bytes   ONCDEDGE
    1         version, 1
    12        nonce
    n         MessagePack of [[role, epoch, master], ..], encrypted; the device's id is authenticated with it
"""

from __future__ import annotations

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cardcore.card_keys.answering import READ_ROLES
from cardcore.card_keys.roles import MAX_EPOCH, KeyRole

MAGIC = b"ONCDEDGE\x01"
NONCE_BYTES = 12
MASTER_BYTES = 16
MAX_FILE_BYTES = 4_096

Masters = dict[tuple[KeyRole, int], bytes]


class EdgeKeysError(Exception):
    """The file cannot be used; the message says why and names no key."""


def seal_edge_keys(masters: Masters, device: str, record_key: bytes, nonce: bytes) -> bytes:
    """Return the file; `nonce` is 12 fresh random bytes. Raises ValueError for a role that is none of a reader's."""
    wrong = sorted({role.value for role, _ in masters} - {role.value for role in READ_ROLES})
    if wrong:
        msg = f"no edge key for {', '.join(wrong)}: only reading roles leave the key service"
        raise ValueError(msg)
    rows = [(role, epoch, master) for (role, epoch), master in sorted(masters.items())]
    sealed = AESGCM(_key(record_key)).encrypt(nonce, msgspec.msgpack.encode(rows), device.encode())
    return MAGIC + nonce + sealed


def open_edge_keys(file: bytes, device: str, record_key: bytes) -> Masters:
    """Read the file on the device it was sealed for; raises EdgeKeysError otherwise."""
    nonce, sealed = file[len(MAGIC) : len(MAGIC) + NONCE_BYTES], file[len(MAGIC) + NONCE_BYTES :]
    if not file.startswith(MAGIC) or len(file) > MAX_FILE_BYTES or len(nonce) != NONCE_BYTES:
        msg = "this is no edge key file"
        raise EdgeKeysError(msg)
    try:
        clear = AESGCM(_key(record_key)).decrypt(nonce, sealed, device.encode())
        rows = msgspec.msgpack.decode(clear, type=list[tuple[KeyRole, int, bytes]])
    except (InvalidTag, msgspec.DecodeError) as error:
        msg = "it was sealed for another device, or is damaged"
        raise EdgeKeysError(msg) from error
    masters = {(role, epoch): master for role, epoch, master in rows}
    for (role, epoch), master in masters.items():
        if role not in READ_ROLES or not 1 <= epoch <= MAX_EPOCH or len(master) != MASTER_BYTES:
            msg = f"it holds something that no reader needs: {role} of epoch {epoch}"
            raise EdgeKeysError(msg)
    return masters


def _key(record_key: bytes) -> bytes:
    return HKDF(hashes.SHA256(), 32, None, b"onecard-edge-keys-1").derive(record_key)
