"""What every backend of the key service can do. It works with keys and gives no master away, ever."""

from __future__ import annotations

from typing import Protocol

from cardcore.card_keys.custody import CardKey, KeyCipher
from cardcore.ids import SiteId
from server.keys.names import IssuerRow, MasterName, MasterRow


class VaultError(Exception):
    """The backend failed or does not have the key that was named. Carries no key material."""


class Vault(Protocol):
    """Masters and issuer keys."""

    @property
    def masters(self) -> tuple[MasterRow, ...]:
        """What is known of each master."""
        ...

    @property
    def issuers(self) -> tuple[IssuerRow, ...]:
        """The public keys that sign credentials."""
        ...

    def card_key(self, name: MasterName, uid: bytes, cipher: KeyCipher) -> CardKey:
        """Return the key of a card under a master. Raises VaultError."""
        ...

    def sign(self, site: SiteId, data: bytes) -> bytes:
        """Sign a credential of a site: Ed25519, 64 bytes. Raises VaultError."""
        ...

    def close(self) -> None:
        """Forget everything."""
        ...
