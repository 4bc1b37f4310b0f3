"""The contract of both backends: the same keys, the same answers, and no master comes out."""

from __future__ import annotations

import threading

import pkcs11
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pkcs11 import Attribute, ObjectClass

from cardcore.card_keys.asks import KeyName, KeyRefused
from cardcore.card_keys.custody import KeyCipher
from cardcore.card_keys.roles import KeyRole, derivation_input
from cardcore.card_keys.software import SoftwareCustody
from cardcore.desfire.diversify import diversify
from server.keys.hsm import HsmVault
from server.keys.key_file import OpenedFile
from server.keys.names import MasterName, site_layout
from server.keys.software import SoftwareVault
from server.keys.vault import Vault, VaultError
from tests.server.keys.key_site import AT, OTHER_SITE, PIN, SITE, UID, softhsm_module

NAME = MasterName(SITE, KeyRole.GATE_READ, 1)


def expected_key(opened: OpenedFile, name: MasterName, uid: bytes) -> bytes:
    message = derivation_input(site_layout(name.site), name.role, uid, name.epoch)
    return diversify(opened.secret.masters[name.text], message)


@pytest.mark.parametrize("role", KeyRole)
def test_a_card_key_is_the_one_of_the_note(vault: Vault, opened_file: OpenedFile, role: KeyRole) -> None:
    name = MasterName(SITE, role, 1)
    assert vault.card_key(name, UID, KeyCipher.AES).value() == expected_key(opened_file, name, UID)


def test_a_card_key_works_without_being_seen(vault: Vault) -> None:
    key = vault.card_key(NAME, UID, KeyCipher.AES)
    other = vault.card_key(NAME, UID[::-1], KeyCipher.AES)
    iv, data = bytes(range(16)), bytes(range(32))
    assert key.decrypt(iv, key.encrypt(iv, data)) == data
    assert key.encrypt(iv, data) != other.encrypt(iv, data)
    assert len(key.cmac(b"message")) == 16
    assert key.cmac(b"message") != other.cmac(b"message")


def test_both_backends_encrypt_and_mac_alike(token: HsmVault, opened_file: OpenedFile) -> None:
    software, hardware = SoftwareVault(opened_file), token
    one, two = (vault.card_key(NAME, UID, KeyCipher.AES) for vault in (software, hardware))
    assert one.encrypt(bytes(16), bytes(32)) == two.encrypt(bytes(16), bytes(32))
    assert [one.cmac(bytes(size)) for size in range(40)] == [two.cmac(bytes(size)) for size in range(40)]


def test_sm4_cards_need_the_software_backend(token: HsmVault, opened_file: OpenedFile) -> None:
    layout, master = site_layout(SITE), opened_file.secret.masters[NAME.text]
    edge = SoftwareCustody(layout, {(NAME.role, 1): master}).card_key(KeyName(NAME.role, UID, 1), KeyCipher.SM4)
    assert not isinstance(edge, KeyRefused)
    assert SoftwareVault(opened_file).card_key(NAME, UID, KeyCipher.SM4).value() == edge.value()
    with pytest.raises(VaultError, match="sm4"):
        token.card_key(NAME, UID, KeyCipher.SM4)


def test_a_credential_is_signed_with_the_sites_key(vault: Vault) -> None:
    (issuer,) = vault.issuers
    assert (issuer.site, issuer.created_at) == (str(SITE), AT)
    Ed25519PublicKey.from_public_bytes(issuer.public_key).verify(vault.sign(SITE, b"content"), b"content")
    with pytest.raises(VaultError):
        vault.sign(OTHER_SITE, b"content")


@pytest.mark.parametrize("name", [MasterName(OTHER_SITE, KeyRole.GATE_READ, 1), MasterName(SITE, KeyRole.GATE_READ, 2)])
def test_a_master_that_is_not_there_is_named(vault: Vault, name: MasterName) -> None:
    with pytest.raises(VaultError, match=name.text):
        vault.card_key(name, UID, KeyCipher.AES)


def test_no_master_can_be_read_from_the_token(token: HsmVault) -> None:
    session = token._session
    masters = [one for one in session.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY}) if one[Attribute.TOKEN]]
    assert len(masters) == len(KeyRole)
    for master in masters:
        assert (master[Attribute.SENSITIVE], master[Attribute.EXTRACTABLE]) == (True, False)
        with pytest.raises(pkcs11.PKCS11Error):
            _ = master[Attribute.VALUE]


def test_card_keys_do_not_pile_up_in_the_token(token: HsmVault) -> None:
    def session_keys() -> int:
        return sum(not one[Attribute.TOKEN] for one in token._session.get_objects())

    before = session_keys()
    for number in range(20):
        token.card_key(NAME, bytes([4, *bytes(5), number]), KeyCipher.AES).value()
    assert session_keys() == before


def test_threads_take_turns_at_the_token(token: HsmVault) -> None:
    answers: list[bytes] = []

    def ask() -> None:
        answers.extend(token.card_key(NAME, UID, KeyCipher.AES).encrypt(bytes(16), bytes(16)) for _ in range(20))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(answers) == 80
    assert len(set(answers)) == 1


def test_a_token_that_is_not_there_is_named(opened_file: OpenedFile, token: HsmVault) -> None:
    with pytest.raises(VaultError, match="'nowhere'"):
        HsmVault(softhsm_module(), "nowhere", PIN, opened_file.public)


def test_a_closed_software_vault_knows_nothing(opened_file: OpenedFile) -> None:
    vault = SoftwareVault(opened_file)
    page = vault._page._page
    assert opened_file.secret.masters[NAME.text] in page[:4096]
    vault.close()
    assert page[:4096] == bytes(4096)
    with pytest.raises(VaultError):
        vault.card_key(NAME, UID, KeyCipher.AES)
