"""Edge keys: sealed to one device, for its own role alone, listed, and revoked until a new epoch ends them."""

from __future__ import annotations

from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from cardcore.card_keys.edge_file import EdgeKeysError, open_edge_keys
from cardcore.card_keys.roles import KeyRole
from cardcore.ids import DeviceId, SiteId
from cardcore.journal import Purpose
from server.database import Database
from server.keys.ceremony import rotated, with_site
from server.keys.edge import Box, EdgeRefusal, edge_keys, make_edge_keys, revoke_edge_keys
from server.keys.key_file import SCRYPT_LEAST_COST, OpenedFile, new_file
from server.system import System
from tests.server.conftest import NOON
from tests.server.keys.key_site import PASSPHRASE, drawn

GATE_BOX = Box(DeviceId(UUID(int=1)), frozenset({Purpose.GATE}), bytes(range(32)), is_active=True)


@pytest.fixture
def file(site: SiteId) -> OpenedFile:
    return with_site(new_file(PASSPHRASE, drawn("file"), SCRYPT_LEAST_COST), site, drawn("masters"), NOON)


@pytest.fixture(autouse=True)
def device(site: SiteId, postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(
            "insert into device (id, site_id, name, purposes, public_key, record_key_sealed, enrolled_at)"
            " values (%s, %s, 'gate-1', '{gate}', %s, '', %s)",
            (GATE_BOX.id, site, bytes(32), NOON),
        )


def made(
    database: Database, system: System, site: SiteId, file: OpenedFile, box: Box = GATE_BOX
) -> bytes | EdgeRefusal:
    return database.write(lambda session: make_edge_keys(session, system, site, file, box, KeyRole.GATE_READ, "test"))


def test_it_opens_on_its_device_alone_and_holds_one_role(
    database: Database, system: System, site: SiteId, file: OpenedFile
) -> None:
    sealed = made(database, system, site, file)
    assert isinstance(sealed, bytes)
    masters = open_edge_keys(sealed, str(GATE_BOX.id), GATE_BOX.record_key)
    assert masters == {(KeyRole.GATE_READ, 1): file.secret.masters[f"{site}/gate_read/1"]}
    for device, key in ((str(UUID(int=2)), GATE_BOX.record_key), (str(GATE_BOX.id), bytes(32))):
        with pytest.raises(EdgeKeysError):
            open_edge_keys(sealed, device, key)


def test_only_accepted_epochs_go_out(database: Database, system: System, site: SiteId, file: OpenedFile) -> None:
    for number in range(2):
        file = rotated(file, site, [KeyRole.GATE_READ], drawn(f"epoch{number}"), NOON)
    sealed = made(database, system, site, file)
    assert isinstance(sealed, bytes)
    assert {epoch for _, epoch in open_edge_keys(sealed, str(GATE_BOX.id), GATE_BOX.record_key)} == {2, 3}


@pytest.mark.parametrize(
    ("box", "refusal"),
    [
        (Box(GATE_BOX.id, frozenset({Purpose.TILL}), bytes(32), is_active=True), EdgeRefusal.NOT_FOR_THIS_DEVICE),
        (Box(GATE_BOX.id, frozenset(), bytes(32), is_active=True), EdgeRefusal.NOT_FOR_THIS_DEVICE),
        (Box(GATE_BOX.id, frozenset({Purpose.GATE}), bytes(32), is_active=False), EdgeRefusal.REVOKED),
    ],
)
def test_a_till_gets_no_gate_key_and_a_revoked_box_none(
    database: Database, system: System, site: SiteId, file: OpenedFile, box: Box, refusal: EdgeRefusal
) -> None:
    assert made(database, system, site, file, box) is refusal
    assert database.read(lambda session: edge_keys(session, site, file.public.masters)) == []


def test_a_revoked_key_is_listed_as_open_until_two_new_epochs(
    database: Database, system: System, site: SiteId, file: OpenedFile
) -> None:
    made(database, system, site, file)

    def listed() -> tuple[str, bool, bool]:
        (key,) = database.read(lambda session: edge_keys(session, site, file.public.masters))
        return key.name, key.revoked_at is not None, key.needs_rotation

    assert listed() == ("gate-1", False, False)

    def revoke() -> int:
        return database.write(lambda session: revoke_edge_keys(session, system, site, GATE_BOX.id, "test"))

    assert (revoke(), revoke()) == (1, 0)
    assert listed() == ("gate-1", True, True)
    for number in range(2):
        assert listed()[2]
        file = rotated(file, site, [KeyRole.GATE_READ], drawn(f"new{number}"), NOON)
    assert listed() == ("gate-1", True, False)


def test_no_key_is_in_the_database(
    database: Database, system: System, site: SiteId, file: OpenedFile, postgres_url: str
) -> None:
    made(database, system, site, file)
    with psycopg.connect(postgres_url) as connection:
        tables = connection.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
        select = sql.SQL("select t::text from {} t")
        rows = [connection.execute(select.format(sql.Identifier(table))).fetchall() for (table,) in tables]
    text = repr(rows).lower()
    assert "gate-1" in text
    assert not [key for key in (*file.secret.masters.values(), file.file_key) if key.hex() in text]
