"""The sealed file: opens with the passphrase or with enough shares, and with nothing else."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardcore.card_keys.roles import KeyRole
from server.keys.ceremony import CeremonyError, printed_shares, rotated, with_site
from server.keys.key_file import (
    SCRYPT_LEAST_COST,
    KeyFileError,
    OpenedFile,
    SealedFile,
    new_file,
    open_with_file_key,
    open_with_passphrase,
    read_key_file,
    resealed,
    sealed_file,
    write_key_file,
)
from server.keys.names import newest_epochs
from server.keys.service import epoch_rows
from server.keys.share_text import read_share, shares_of
from server.keys.shares import SharesError, combine
from tests.server.keys.key_site import AT, OTHER_SITE, PASSPHRASE, SITE, drawn


@pytest.fixture(scope="module")
def sealed(opened_file: OpenedFile) -> SealedFile:
    return sealed_file(opened_file, drawn("seal"))


def test_the_passphrase_opens_it(sealed: SealedFile, opened_file: OpenedFile) -> None:
    assert open_with_passphrase(sealed, PASSPHRASE) == opened_file


@pytest.mark.parametrize("passphrase", ["", PASSPHRASE + " ", PASSPHRASE.upper()])
def test_another_passphrase_does_not(sealed: SealedFile, passphrase: str) -> None:
    with pytest.raises(KeyFileError, match="passphrase is wrong"):
        open_with_passphrase(sealed, passphrase)


def test_a_short_passphrase_is_refused() -> None:
    with pytest.raises(KeyFileError, match="15 characters"):
        new_file("short", drawn(), SCRYPT_LEAST_COST)


def test_nothing_of_a_key_stands_in_the_file(sealed: SealedFile, opened_file: OpenedFile) -> None:
    written = msgspec.json.encode(sealed)
    for key in (*opened_file.secret.masters.values(), *opened_file.secret.issuers.values(), opened_file.file_key):
        assert key not in written
        assert key.hex().encode() not in written.lower()


@given(st.integers(min_value=0), st.integers(0, 7))
def test_any_changed_bit_of_the_sealed_part_is_seen(
    sealed: SealedFile, opened_file: OpenedFile, at: int, bit: int
) -> None:
    body = bytearray(sealed.body)
    body[at % len(body)] ^= 1 << bit
    with pytest.raises(KeyFileError):
        open_with_file_key(msgspec.structs.replace(sealed, body=bytes(body)), opened_file.file_key)


def test_a_changed_check_value_is_seen(sealed: SealedFile, opened_file: OpenedFile) -> None:
    first, *others = sealed.public.masters
    forged = msgspec.structs.replace(first, check_value="000000")
    public = msgspec.structs.replace(sealed.public, masters=(forged, *others))
    with pytest.raises(KeyFileError):
        open_with_file_key(msgspec.structs.replace(sealed, public=public), opened_file.file_key)


class TestOnTheDisk:
    def test_it_is_written_0600_and_read_back(self, sealed: SealedFile, key_path: Path) -> None:
        write_key_file(key_path, sealed, drawn("write"))
        assert key_path.stat().st_mode & 0o777 == 0o600
        assert read_key_file(key_path) == sealed
        assert [one.name for one in key_path.parent.iterdir()] == ["card.keys"]

    def test_a_file_that_others_may_read_is_refused(self, sealed: SealedFile, key_path: Path) -> None:
        write_key_file(key_path, sealed, drawn("write"))
        key_path.chmod(0o640)
        with pytest.raises(KeyFileError, match="chmod 600"):
            read_key_file(key_path)

    @pytest.mark.parametrize("content", [b"", b"{}", b"not json", b'{"format": "onecard-keys-1"}'])
    def test_rubbish_is_refused(self, key_path: Path, content: bytes) -> None:
        key_path.write_bytes(content)
        key_path.chmod(0o600)
        with pytest.raises(KeyFileError, match="no key file"):
            read_key_file(key_path)

    def test_a_missing_file_says_how_to_make_it(self, key_path: Path) -> None:
        with pytest.raises(KeyFileError, match="onecard keys ceremony"):
            read_key_file(key_path)


class TestShares:
    def test_two_of_three_open_every_later_copy(self, opened_file: OpenedFile) -> None:
        texts = printed_shares(opened_file, 2, 3, drawn("shares"))
        later = rotated(opened_file, SITE, [KeyRole.GATE_READ], drawn("next"), AT)
        copy = sealed_file(resealed(later, "another passphrase of ours", drawn("p"), SCRYPT_LEAST_COST), drawn("c"))
        for pair in ((0, 1), (0, 2), (1, 2)):
            file_key = combine(shares_of([texts[one] for one in pair]))
            assert open_with_file_key(copy, file_key).secret == later.secret

    def test_one_is_not_enough_and_two_of_other_ceremonies_are_none(self, opened_file: OpenedFile) -> None:
        texts = printed_shares(opened_file, 2, 3, drawn("shares"))
        other = printed_shares(new_file(PASSPHRASE, drawn("other"), SCRYPT_LEAST_COST), 2, 3, drawn("shares"))
        with pytest.raises(SharesError, match="2 shares are needed, 1"):
            shares_of(texts[:1])
        with pytest.raises(SharesError, match="different ceremonies"):
            shares_of([texts[0], other[1]])

    def test_a_slip_of_the_pen_names_its_line(self, opened_file: OpenedFile) -> None:
        (text, _) = printed_shares(opened_file, 2, 2, drawn("shares"))
        lines = text.splitlines()
        for at, line in enumerate(lines):
            digit = "0" if line[4] != "0" else "1"
            wrong = "\n".join([*lines[:at], line[:4] + digit + line[5:], *lines[at + 1 :]])
            with pytest.raises(SharesError, match=f"line {at + 1}"):
                read_share(wrong)

    @given(st.text(max_size=300))
    def test_anything_else_is_refused_and_nothing_worse(self, text: str) -> None:
        with pytest.raises(SharesError):
            read_share(text)


class TestEpochs:
    def test_a_first_ceremony_makes_every_role_once(self, opened_file: OpenedFile) -> None:
        assert newest_epochs(opened_file.public.masters, SITE) == dict.fromkeys(KeyRole, 1)
        assert len(set(opened_file.secret.masters.values())) == len(KeyRole)
        with pytest.raises(CeremonyError, match="rotate"):
            with_site(opened_file, SITE, drawn(), AT)

    def test_another_site_has_keys_of_its_own(self, opened_file: OpenedFile) -> None:
        both = with_site(opened_file, OTHER_SITE, drawn("other site"), AT)
        assert len(set(both.secret.masters.values())) == 2 * len(KeyRole)
        assert len({row.constant for row in both.public.masters}) == 2 * len(KeyRole)

    def test_the_third_epoch_retires_the_first(self, opened_file: OpenedFile) -> None:
        file = opened_file
        for number in range(2):
            file = rotated(file, SITE, [KeyRole.GATE_READ], drawn(f"rotate{number}"), AT)
        states = [(row.row.master.epoch, row.state) for row in epoch_rows(file.public.masters, SITE)]
        assert [state for state in states if state[0] > 1 or state[1] == "retired"] == [
            (3, "newest"),
            (2, "previous"),
            (1, "retired"),
        ]

    def test_there_are_255_and_no_more(self, opened_file: OpenedFile) -> None:
        file = opened_file
        for _ in range(254):
            file = rotated(file, SITE, [KeyRole.CANTEEN_READ], drawn("same"), AT)
        with pytest.raises(CeremonyError, match="canteen_read"):
            rotated(file, SITE, [KeyRole.CANTEEN_READ], drawn(), AT)
        with pytest.raises(CeremonyError, match="ceremony first"):
            rotated(file, OTHER_SITE, [KeyRole.CANTEEN_READ], drawn(), AT)
