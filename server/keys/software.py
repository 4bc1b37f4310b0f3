"""The backend without hardware: masters from the sealed file, on one locked page of this process."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cardcore.card_keys.asks import KeyName
from cardcore.card_keys.custody import CardKey, KeyCipher
from cardcore.card_keys.roles import derivation_input
from cardcore.card_keys.software import AesCardKey, Sm4CardKey, sm4_card_value
from cardcore.desfire.blocks import BLOCK_BYTES, encrypt_block
from cardcore.desfire.diversify import card_block
from cardcore.ids import SiteId
from server.keys.key_file import OpenedFile
from server.keys.memory import LockedPage, forbid_core_dumps
from server.keys.names import IssuerRow, MasterName, MasterRow, site_layout
from server.keys.vault import VaultError


class SoftwareVault:
    """Implements `Vault`."""

    def __init__(self, opened: OpenedFile) -> None:
        """Move the keys of an opened file onto the page; from now on this process writes no core dump."""
        forbid_core_dumps()
        self._page = LockedPage()
        self._rows = {row.master: row for row in opened.public.masters}
        self._issuer_rows = opened.public.issuers
        self._masters = {row.master: self._page.hold(opened.secret.masters[row.name]) for row in opened.public.masters}
        self._issuers = {site: Ed25519PrivateKey.from_private_bytes(key) for site, key in opened.secret.issuers.items()}

    @property
    def masters(self) -> tuple[MasterRow, ...]:
        """What is known of each master."""
        return tuple(self._rows.values())

    @property
    def issuers(self) -> tuple[IssuerRow, ...]:
        """The public keys that sign credentials."""
        return self._issuer_rows

    def card_key(self, name: MasterName, uid: bytes, cipher: KeyCipher) -> CardKey:
        """Return the key of a card under a master."""
        master, row = self._masters.get(name), self._rows.get(name)
        if master is None or row is None:
            msg = f"there is no master {name.text}"
            raise VaultError(msg)
        layout = site_layout(name.site)
        if cipher is KeyCipher.SM4:
            return Sm4CardKey(sm4_card_value(bytes(master), layout, KeyName(name.role, uid, name.epoch)))
        message = derivation_input(layout, name.role, uid, name.epoch)
        return AesCardKey(encrypt_block(bytes(master), card_block(row.constant, message[BLOCK_BYTES - 1 :])))

    def sign(self, site: SiteId, data: bytes) -> bytes:
        """Sign a credential of a site."""
        key = self._issuers.get(str(site))
        if key is None:
            msg = f"there is no issuer key for site {site}"
            raise VaultError(msg)
        return key.sign(data)

    def close(self) -> None:
        """Forget everything."""
        self._masters.clear()
        self._issuers.clear()
        self._page.wipe()
