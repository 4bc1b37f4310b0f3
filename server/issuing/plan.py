"""The signed credential files of a card: one an application, with ids that nobody can join without the database."""

from __future__ import annotations

from cardcore.card_keys.asks import KeyRefused
from cardcore.card_keys.roles import CardApplication, KeyRole
from cardcore.credential import Credential, credential_body, credential_signing_input
from cardcore.ids import SiteId
from server.cards.service import NewCard
from server.issuing.models import APPLICATIONS, IssuingRefusal
from server.keys.service import KeyService

READERS = {CardApplication.GATE: KeyRole.GATE_READ, CardApplication.CANTEEN: KeyRole.CANTEEN_READ}

Files = tuple[tuple[CardApplication, bytes], ...]


def card_files(
    keys: KeyService, site_id: SiteId, card: NewCard, uid: bytes, ids: tuple[bytes, bytes], issue_no: int
) -> Files | IssuingRefusal:
    """Return the files of a card; `ids` are its gate and its canteen credential id."""
    issuer, layout = keys.issuer(site_id), keys.layout(site_id)
    if issuer is None:
        return IssuingRefusal.KEYS_LOCKED
    files = []
    for application in APPLICATIONS[card.product]:
        credential = Credential(
            issuer.issuer_id,
            application,
            card.product,
            ids[0] if application is CardApplication.GATE else ids[1],
            uid,
            issue_no,
            keys.newest_epoch(site_id, READERS[application]),
            int(card.valid_until.timestamp()) if card.valid_until else 0,
        )
        body = credential_body(credential)
        signature = keys.sign_credential(site_id, credential_signing_input(body, layout.aid(application)))
        if isinstance(signature, KeyRefused):
            return IssuingRefusal.KEYS_LOCKED
        files.append((application, body + signature))
    return tuple(files)
