"""The key service: answers questions about card keys by purpose, counts them, and never gives out a master.

A vault holds the masters; this adds which epochs are accepted and the factory's key for blank cards. Who may ask what
is `permission`; the arithmetic of a session is `cardcore.card_keys`. Without a vault everything is `unavailable`.
"""

from __future__ import annotations

from dataclasses import dataclass

from cardcore.card_keys.asks import KeyName, KeyRefusal, KeyRefused
from cardcore.card_keys.custody import CardKey, KeyCipher
from cardcore.card_keys.roles import FACTORY_EPOCH, CardLayout, KeyRole
from cardcore.card_keys.software import AesCardKey, Sm4CardKey
from cardcore.ids import SiteId
from cardcore.issuer import IssuerKey
from server.keys.names import MasterName, MasterRow, issuer_key, newest_epochs, site_layout
from server.keys.vault import Vault, VaultError

ACCEPTED_EPOCHS = 2
"""The newest and the one before: long enough to re-key cards as they come by."""
FACTORY_KEY = bytes(16)
LOCKED = KeyRefused(KeyRefusal.UNAVAILABLE, "the card keys are locked: see `onecard keys status`")


@dataclass(frozen=True, slots=True)
class EpochRow:
    """One master as status shows it."""

    row: MasterRow
    state: str
    """`newest`, `previous` (still accepted) or `retired`."""


class KeyService:
    """One for a server process; safe for several threads if its vault is."""

    def __init__(self, vault: Vault | None) -> None:
        """Take the vault, or None where the keys are locked or no ceremony was held."""
        self._vault = vault
        self._newest: dict[SiteId, dict[KeyRole, int]] = {}

    @property
    def is_open(self) -> bool:
        """Whether keys can be used."""
        return self._vault is not None

    def layout(self, site: SiteId) -> CardLayout:
        """Return what the cards of a site look like."""
        return site_layout(site)

    def newest_epoch(self, site: SiteId, role: KeyRole) -> int:
        """Return the epoch that new cards get; 0 when there is no master."""
        if self._vault is None:
            return 0
        if site not in self._newest:
            self._newest[site] = newest_epochs(self._vault.masters, site)
        return self._newest[site].get(role, 0)

    def epochs(self, site: SiteId) -> list[EpochRow]:
        """Return every master of a site and whether it is still accepted."""
        rows = self._vault.masters if self._vault else ()
        return epoch_rows(rows, site)

    def custody(self, site: SiteId) -> SiteCustody:
        """Return the keys of a site's cards, for the arithmetic of a session."""
        return SiteCustody(self, self._vault, site)

    def issuer(self, site: SiteId) -> IssuerKey | None:
        """Return the public key that a site's credentials are signed with; readers are told to believe it."""
        issuers = self._vault.issuers if self._vault else ()
        return next((issuer_key(row) for row in issuers if row.site == str(site)), None)

    def sign_credential(self, site: SiteId, content: bytes) -> bytes | KeyRefused:
        """Sign a credential's content."""
        if self._vault is None:
            return LOCKED
        try:
            return self._vault.sign(site, content)
        except VaultError as error:
            return KeyRefused(KeyRefusal.UNAVAILABLE, str(error))

    def close(self) -> None:
        """Forget all keys."""
        if self._vault is not None:
            self._vault.close()
            self._vault = None


class SiteCustody:
    """The card keys of one site; implements `cardcore.card_keys.custody.CardKeyCustody`."""

    def __init__(self, service: KeyService, vault: Vault | None, site: SiteId) -> None:
        """Serve one site."""
        self._service = service
        self._vault = vault
        self._site = site

    def card_key(self, name: KeyName, cipher: KeyCipher) -> CardKey | KeyRefused:
        """Return the key of that name: of the newest epoch or the one before, or the factory's for epoch 0."""
        if self._vault is None:
            return LOCKED
        if name.epoch == FACTORY_EPOCH:
            return AesCardKey(FACTORY_KEY) if cipher is KeyCipher.AES else Sm4CardKey(FACTORY_KEY)
        newest = self._service.newest_epoch(self._site, name.role)
        if not newest - ACCEPTED_EPOCHS < name.epoch <= newest:
            accepted = " and ".join(str(epoch) for epoch in range(newest, max(0, newest - ACCEPTED_EPOCHS), -1))
            return KeyRefused(
                KeyRefusal.UNKNOWN_EPOCH, f"{name.role}: epoch {name.epoch}, accepted: {accepted or 'none'}"
            )
        try:
            return self._vault.card_key(MasterName(self._site, name.role, name.epoch), name.uid, cipher)
        except VaultError as error:
            return KeyRefused(KeyRefusal.UNAVAILABLE, str(error))
        except ValueError as error:  # a serial number of a length no card has
            return KeyRefused(KeyRefusal.BAD_REQUEST, str(error))


def epoch_rows(rows: tuple[MasterRow, ...], site: SiteId) -> list[EpochRow]:
    """Return a site's masters by role and age, newest first, each with its state."""
    newest = newest_epochs(rows, site)
    found = []
    for row in sorted(rows, key=lambda row: (row.master.role, -row.master.epoch)):
        name = row.master
        if name.site == site:
            age = newest[name.role] - name.epoch
            found.append(EpochRow(row, "newest" if age == 0 else "previous" if age < ACCEPTED_EPOCHS else "retired"))
    return found
