"""The backend with hardware: masters that never leave a PKCS#11 token (cards fact sheet, 4).

A master in the token is sensitive, not extractable and may only derive. A card's key is one `C_DeriveKey` with
CKM_AES_ECB_ENCRYPT_DATA over the block of `cardcore.desfire.diversify`; it lives in the session. The token's own limit:
whoever holds its PIN can ask for an extractable child, one card at a time, never for a master. Import this module only
where there is a token: it needs python-pkcs11.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass

from cardcore.card_keys.custody import CardKey, KeyCipher
from cardcore.card_keys.roles import derivation_input
from cardcore.desfire.blocks import BLOCK_BYTES
from cardcore.desfire.diversify import card_block
from cardcore.ids import SiteId
from server.keys.key_file import OpenedFile, PublicPart
from server.keys.memory import forbid_core_dumps
from server.keys.names import IssuerRow, MasterName, MasterRow, site_layout
from server.keys.vault import VaultError

KEY_BITS = 128
ED25519 = bytes.fromhex("06032b6570")
"""CKA_EC_PARAMS of Ed25519: its object identifier, 1.3.101.112 (RFC 8410)."""
ISSUER_LABEL = "issuer"

_MASTER = {
    Attribute.CLASS: ObjectClass.SECRET_KEY,
    Attribute.KEY_TYPE: KeyType.AES,
    Attribute.TOKEN: True,
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.DERIVE: True,
    Attribute.ENCRYPT: False,
    Attribute.DECRYPT: False,
    Attribute.SIGN: False,
    Attribute.VERIFY: False,
    Attribute.WRAP: False,
    Attribute.UNWRAP: False,
}
_ISSUER = {
    Attribute.CLASS: ObjectClass.PRIVATE_KEY,
    Attribute.KEY_TYPE: KeyType.EC_EDWARDS,
    Attribute.EC_PARAMS: ED25519,
    Attribute.TOKEN: True,
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.SIGN: True,
}
_CHILD = {
    Attribute.TOKEN: False,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.ENCRYPT: True,
    Attribute.DECRYPT: True,
    Attribute.SIGN: True,
}
_CHILD_TO_WRITE = {**_CHILD, Attribute.SENSITIVE: False, Attribute.EXTRACTABLE: True}


class HsmCardKey:
    """A card's key inside the token's session; implements `CardKey`."""

    __slots__ = ("_key", "_turn", "_value")

    def __init__(self, key: Any, turn: threading.RLock, value: Callable[[], bytes]) -> None:  # noqa: ANN401 - untyped
        """Take the session object, which goes when this one does, the lock of the session, and the way to the bytes."""
        self._key = key
        self._turn = turn
        self._value = value

    def __repr__(self) -> str:
        """Show that it is a key and nothing of it."""
        return "HsmCardKey()"

    def __del__(self) -> None:
        """Remove the key from the token's session."""
        with self._turn, suppress(pkcs11.PKCS11Error):
            self._key.destroy()

    def encrypt(self, iv: bytes, data: bytes) -> bytes:
        """AES-CBC."""
        with self._turn:
            return bytes(self._key.encrypt(data, mechanism=Mechanism.AES_CBC, mechanism_param=iv))

    def decrypt(self, iv: bytes, data: bytes) -> bytes:
        """AES-CBC."""
        with self._turn:
            return bytes(self._key.decrypt(data, mechanism=Mechanism.AES_CBC, mechanism_param=iv))

    def cmac(self, data: bytes) -> bytes:
        """AES-CMAC."""
        with self._turn:
            return bytes(self._key.sign(data, mechanism=Mechanism.AES_CMAC))

    def value(self) -> bytes:
        """Return the bytes, to be written onto the card."""
        return self._value()


class HsmVault:
    """Implements `Vault` over one session, in which threads take turns: tokens differ in what they bear at once."""

    def __init__(self, module: Path, token: str, pin: str, public: PublicPart) -> None:
        """Open the token. `public` says which keys it holds. Raises VaultError."""
        forbid_core_dumps()
        self._public = public
        self._rows = {row.master: row for row in public.masters}
        self._process = os.getpid()
        self._turn = threading.RLock()
        try:
            self._session = pkcs11.lib(str(module)).get_token(token_label=token).open(rw=True, user_pin=pin)
        except (pkcs11.PKCS11Error, RuntimeError, OSError) as error:
            msg = f"the token {token!r} of {module} cannot be opened: {type(error).__name__}"
            raise VaultError(msg) from None

    @property
    def masters(self) -> tuple[MasterRow, ...]:
        """What is known of each master."""
        return self._public.masters

    @property
    def issuers(self) -> tuple[IssuerRow, ...]:
        """The public keys that sign credentials."""
        return self._public.issuers

    def card_key(self, name: MasterName, uid: bytes, cipher: KeyCipher) -> CardKey:
        """Return the key of a card under a master; SM4 cards need the software backend."""
        if cipher is not KeyCipher.AES:
            msg = f"the token has no mechanism for {cipher} cards"
            raise VaultError(msg)
        return HsmCardKey(self._derived(name, uid, _CHILD), self._turn, lambda: self._bytes_for_card(name, uid))

    def sign(self, site: SiteId, data: bytes) -> bytes:
        """Sign a credential of a site."""
        try:
            with self._turn:
                key = self._open().get_key(ObjectClass.PRIVATE_KEY, label=f"{site}/{ISSUER_LABEL}")
                return bytes(key.sign(data, mechanism=Mechanism.EDDSA))  # type: ignore[attr-defined]
        except pkcs11.PKCS11Error as error:
            msg = f"the token does not sign for site {site}: {type(error).__name__}"
            raise VaultError(msg) from None

    def load(self, opened: OpenedFile) -> None:
        """Put the keys of a ceremony into the token; those it has already stay as they are."""
        new = {row.name: {**_MASTER, Attribute.VALUE: opened.secret.masters[row.name]} for row in opened.public.masters}
        for site, key in opened.secret.issuers.items():
            new[f"{site}/{ISSUER_LABEL}"] = {**_ISSUER, Attribute.VALUE: key}
        with self._turn:
            session = self._open()
            for label, attributes in new.items():
                if next(iter(session.get_objects({Attribute.LABEL: label})), None) is None:
                    session.create_object({**attributes, Attribute.LABEL: label})

    def close(self) -> None:
        """Close the session; keys of cards go with it."""
        with self._turn:
            self._session.close()

    def _bytes_for_card(self, name: MasterName, uid: bytes) -> bytes:
        with self._turn:
            child = self._derived(name, uid, _CHILD_TO_WRITE)
            value = bytes(child[Attribute.VALUE])
            child.destroy()
        return value

    def _derived(self, name: MasterName, uid: bytes, template: dict[Attribute, bool]) -> Any:  # noqa: ANN401 - untyped
        row = self._rows.get(name)
        if row is None:
            msg = f"there is no master {name.text}"
            raise VaultError(msg)
        message = derivation_input(site_layout(name.site), name.role, uid, name.epoch)
        block = card_block(row.constant, message[BLOCK_BYTES - 1 :])
        try:
            with self._turn:
                master = self._open().get_key(ObjectClass.SECRET_KEY, label=name.text)
                return master.derive_key(  # type: ignore[attr-defined]
                    KeyType.AES,
                    KEY_BITS,
                    mechanism=Mechanism.AES_ECB_ENCRYPT_DATA,
                    mechanism_param=block,
                    template=template,
                )
        except pkcs11.PKCS11Error as error:
            msg = f"the token does not derive from {name.text}: {type(error).__name__}"
            raise VaultError(msg) from None

    def _open(self) -> pkcs11.Session:
        if os.getpid() != self._process:
            msg = "the token was opened before this process was started: open the key service after the last fork"
            raise VaultError(msg)
        return self._session
