"""Webhooks go where the settings allow and nowhere else, however the address is written or resolves (T17)."""

from __future__ import annotations

import pytest

from server.settings import Settings, SettingsError, load_settings
from server.webhooks.targets import TargetError, chosen, parse_targets, target_of

ALLOWED = parse_targets("https://hooks.example, https://erp.lan:8443@10.1.0.0/16, http://127.0.0.1:9000")
PUBLIC, INSIDE, LOOPBACK = ALLOWED


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example/in", "https://hooks.example:443/in?a=1", "https://HOOKS.example./in",
        "https://erp.lan:8443/x", "http://127.0.0.1:9000/",
    ],
)  # fmt: skip
def test_what_the_list_names_is_allowed(url: str) -> None:
    assert target_of(url, ALLOWED) is not None


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/in", "https://hooks.example:8443/in", "https://sub.hooks.example/", "https://erp.lan/x",
        "https://hooks.example@evil.example/", "https://user:pw@hooks.example/", "https://hooks.example.evil.example/",
        "https://evil.example/https://hooks.example", "https://evil.example#@hooks.example", "https://127.0.0.1:9000/",
        "http://127.0.0.1/", "http://127.1:9000/", "http://2130706433:9000/", "http://0x7f000001:9000/",
        "http://0177.0.0.1:9000/", "http://[::1]:9000/", "http://[::ffff:127.0.0.1]:9000/", "http://localhost:9000/",
        "http://127.0.0.1:9000\\@evil.example/", "http://127.0.0.1:99999/", "http://127.0.0.1:0/", "file:///etc/passwd",
        "gopher://127.0.0.1:9000/", "//hooks.example/in", "hooks.example/in", "", "https://", "https://hooks.example /",
        "https://hooks.example\r\nHost: evil/", "https://hооks.example/", "https://hooks.example/#part",
        "https://hooks.example/" + "a" * 500, "https://hooks%2eexample/", "https://[hooks.example]/",
    ],
)  # fmt: skip
def test_whatever_else_is_not(url: str) -> None:
    assert target_of(url, ALLOWED) is None


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:10.0.0.1",
        "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:7f00:1::", "192.0.2.1", "198.18.0.1", "240.0.0.1",
    ],
)  # fmt: skip
def test_a_public_name_that_resolves_inwards_is_not_followed(address: str) -> None:
    assert chosen(PUBLIC, [address]) is None
    assert chosen(PUBLIC, ["93.184.215.14", address]) is None


def test_the_address_that_was_checked_is_the_one_to_connect_to() -> None:
    assert chosen(PUBLIC, ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"]) == "93.184.215.14"
    assert chosen(INSIDE, ["10.1.2.3"]) == "10.1.2.3"
    assert chosen(INSIDE, ["::ffff:10.1.2.3"]) is not None
    assert chosen(INSIDE, ["10.2.0.1"]) is None
    assert chosen(INSIDE, ["93.184.215.14"]) is None
    assert chosen(LOOPBACK, ["127.0.0.1"]) == "127.0.0.1"
    assert chosen(LOOPBACK, ["127.0.0.2"]) is None
    assert chosen(PUBLIC, []) is None


@pytest.mark.parametrize("text", ["hooks.example", "https://a/path", "https://a@b", "https://u:p@a", "ftp://a", "a,b"])
def test_a_slip_in_the_settings_is_told_at_the_start(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TargetError):
        parse_targets(text)
    monkeypatch.setenv("ONECARD_WEBHOOK_TARGETS", text)
    with pytest.raises(SettingsError, match="ONECARD_WEBHOOK_TARGETS"):
        load_settings()


def test_nothing_is_allowed_where_nobody_allowed_anything() -> None:
    assert parse_targets(Settings().webhook_targets) == ()
    assert target_of("https://hooks.example/", ()) is None
