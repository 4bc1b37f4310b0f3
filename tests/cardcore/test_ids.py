"""UUIDv7, credential keys and their masks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardcore.ids import credential_key, masked, uuid7_from

instants = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants naive bounds


@given(instants, st.binary(min_size=10, max_size=10))
def test_a_uuid7_says_its_version_variant_and_time(at: datetime, randomness: bytes) -> None:
    made = uuid7_from(at, randomness)
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"
    assert made.int >> 80 == int(at.timestamp() * 1000)


def test_later_ids_sort_later() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    ids = [uuid7_from(start + timedelta(milliseconds=step), bytes(10)) for step in range(5)]
    assert ids == sorted(ids)
    with pytest.raises(ValueError, match="10 random bytes"):
        uuid7_from(start, b"short")


@pytest.mark.parametrize("text", ["uid:04a1b2c3", "wiegand:26-0123458000", "pkoc:" + "ab" * 32, "qr:abcdef0123"])
def test_credential_keys_in_every_scheme(text: str) -> None:
    assert credential_key(text) == text


@pytest.mark.parametrize("scheme", ["desfire", "cpu", "pass"])
def test_schemes_with_a_credential_id(scheme: str) -> None:
    assert credential_key(f"{scheme}:{'0a' * 16}") == f"{scheme}:{'0a' * 16}"
    with pytest.raises(ValueError, match="desfire:, cpu: or pass:<32 hex>"):
        credential_key(f"{scheme}:{'0a' * 15}")


@pytest.mark.parametrize("text", ["", "uid:", "uid:04A1B2C3", "card:1234", "wiegand:0123", "pkoc:ab", "uid:04a1b2c3\n"])
def test_what_is_no_credential_key_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(ValueError, match="wiegand:<bits>"):
        credential_key(text)


def test_a_mask_keeps_scheme_and_last_four() -> None:
    assert masked("uid:04a1b2c3") == "uid:…b2c3"
