"""Settings: each mistake is named with its variable and what is allowed; a plain bind to the world is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from server.settings import SettingsError, load_settings, unknown_variables


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Begin without any setting."""
    for name in [name for name in os.environ if name.startswith("ONECARD_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ONECARD_DATA_DIR", str(tmp_path))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ONECARD_PORT", "many", ["ONECARD_PORT", "'many'", "1 to 65535"]),
        ("ONECARD_PORT", "0", ["ONECARD_PORT", "1 to 65535"]),
        ("ONECARD_HOST", "my house", ["ONECARD_HOST", "IP address"]),
        ("ONECARD_DATABASE_URL", "mysql://a:hidden@b/c", ["ONECARD_DATABASE_URL", "postgresql://", "embedded"]),
        ("ONECARD_REDIS_URL", "http://x", ["ONECARD_REDIS_URL", "redis://"]),
        ("ONECARD_LOG_LEVEL", "loud", ["ONECARD_LOG_LEVEL", "debug, info, warning, error"]),
        ("ONECARD_TRUSTED_PROXIES", "10.0.0.0/8,proxy", ["ONECARD_TRUSTED_PROXIES", "'proxy'"]),
        ("ONECARD_TLS_CERTIFICATE", "/does/not/exist", ["ONECARD_TLS_CERTIFICATE", "No such file", "PEM"]),
        ("ONECARD_ALLOW_PLAIN_HTTP", "yes", ["ONECARD_ALLOW_PLAIN_HTTP", "behind-proxy"]),
    ],
)
def test_a_mistake_is_explained(monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: list[str]) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert len(caught.value.problems) == 1
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.4", "::"])
def test_plain_http_to_the_world_is_refused(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("ONECARD_HOST", host)
    with pytest.raises(SettingsError, match="ONECARD_ALLOW_PLAIN_HTTP=behind-proxy"):
        load_settings()
    monkeypatch.setenv("ONECARD_ALLOW_PLAIN_HTTP", "behind-proxy")
    assert load_settings().secure_origin


def test_tls_needs_both_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    certificate, key = tmp_path / "a.pem", tmp_path / "b.pem"
    for path in (certificate, key):
        path.write_text("-----BEGIN X-----")
    monkeypatch.setenv("ONECARD_HOST", "0.0.0.0")
    monkeypatch.setenv("ONECARD_TLS_CERTIFICATE", str(certificate))
    with pytest.raises(SettingsError, match="set both or neither"):
        load_settings()
    monkeypatch.setenv("ONECARD_TLS_KEY", str(key))
    assert load_settings().has_tls


def test_the_environment_stands_above_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "server.toml"
    config.write_text('port = 9000\nlog_level = "debug"\n')
    monkeypatch.setenv("ONECARD_PORT", "9001")
    settings = load_settings(config)
    assert (settings.port, settings.log_level) == (9001, "debug")


def test_a_mistake_in_the_file_names_the_file(tmp_path: Path) -> None:
    config = tmp_path / "server.toml"
    config.write_text("prot = 9000\n")
    with pytest.raises(SettingsError, match=r"server\.toml.*'prot'.*did you mean port"):
        load_settings(config)
    config.write_text("port = \n")
    with pytest.raises(SettingsError, match=r"server\.toml.*line 1"):
        load_settings(config)


def test_a_variable_that_means_nothing_is_named_and_others_are_left_alone() -> None:
    environment = {"ONECARD_PROT": "1", "ONECARD_READER_PORT": "1", "ONECARD_PORT": "1", "PORT": "1"}
    assert unknown_variables(environment) == ["ONECARD_PROT is no setting; did you mean ONECARD_PORT?"]
