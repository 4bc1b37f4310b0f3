"""Sealing: every row gets one leaf, in order, whoever writes and however many seal at once; nobody can unseal."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.exc import ProgrammingError

from cardcore import merkle
from cardcore.checkpoint import Checkpoint, read_checkpoint
from cardcore.ids import SiteId
from server.audit import tree_repository as tree
from server.audit.export import export_lines
from server.audit.sealer import HEADS_EVERY, seal
from server.audit.service import Deed, record
from server.audit.tree_repository import MAX_LEAVES
from server.audit.verification import verify_export
from server.database import Database, WriteSession
from server.system import System
from tests.server.conftest import StillClock

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
PUBLIC = KEY.public_key().public_bytes_raw()


def write_rows(database: Database, system: System, site: SiteId, count: int) -> None:
    def write(session: WriteSession) -> None:
        for number in range(count):
            record(session, system, site, Deed("staff:1", "thing_done", f"thing:{number}", after={"n": number}))

    database.write(write)


def sealed_by(database: Database, system: System) -> int:
    return database.write(lambda session: seal(session, system, KEY, "g1"))


def newest(database: Database) -> Checkpoint:
    row = database.read(tree.newest_checkpoint)
    assert row is not None
    checkpoint = read_checkpoint(row["note"], PUBLIC)
    assert checkpoint is not None
    return checkpoint


def test_rows_are_sealed_in_order_under_a_signed_checkpoint(database: Database, system: System, site: SiteId) -> None:
    write_rows(database, system, site, 5)
    grew = sealed_by(database, system)
    assert grew == 6  # and the site's own creation
    assert sealed_by(database, system) == 0
    first = newest(database)
    write_rows(database, system, site, 3)
    assert sealed_by(database, system) == 3
    second = newest(database)
    assert (first.size, second.size) == (6, 9)
    proof = database.read(lambda session: merkle.consistency_proof(6, 9, partial(tree.node, session)))
    assert merkle.is_consistent(first.tree, second.tree, proof)
    assert database.read(tree.waiting_since) == (0, None)


def test_a_long_backlog_takes_several_turns(database: Database, system: System, site: SiteId) -> None:
    write_rows(database, system, site, MAX_LEAVES + 1)
    assert [sealed_by(database, system) for _ in range(3)] == [MAX_LEAVES, 2, 0]


def test_writers_and_sealers_at_once_neither_fork_nor_miss(database: Database, system: System, site: SiteId) -> None:
    def work(number: int) -> None:
        if number % 2:
            write_rows(database, system, site, 7)
        else:
            sealed_by(database, system)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(40)))
    while sealed_by(database, system):
        pass
    report = verify_export(database.read(lambda session: list(export_lines(session, PUBLIC))), PUBLIC)
    assert report.differences == ()
    assert (report.leaves, report.unsealed) == (20 * 7 + 1, 0)


def test_a_seal_that_fails_leaves_nothing(database: Database, system: System, site: SiteId) -> None:
    write_rows(database, system, site, 3)

    def write(session: WriteSession) -> None:
        assert seal(session, system, KEY, "g1") == 4
        raise RuntimeError

    with pytest.raises(RuntimeError):
        database.write(write)
    assert database.read(tree.newest_checkpoint) is None
    assert sealed_by(database, system) == 4


@pytest.mark.parametrize(
    "table", ["audit_leaf", "audit_node", "audit_checkpoint", "audit_cosignature", "audit_restore"]
)
@pytest.mark.parametrize("statement", ["delete from {}", "truncate {}", "update {} set {}"])
def test_what_was_sealed_cannot_be_changed(
    database: Database, system: System, site: SiteId, table: str, statement: str
) -> None:
    write_rows(database, system, site, 2)
    sealed_by(database, system)
    column = {"audit_leaf": "hash = hash", "audit_node": "hash = hash"}.get(table, "note = note")
    text = statement.format(table, column)
    with pytest.raises(ProgrammingError, match="permission denied"):
        database.write(lambda session: session.exec_driver_sql(text))
    empty = table in {"audit_cosignature", "audit_restore"} and not text.startswith("truncate")
    if not empty:
        with psycopg.connect(database.url) as owner, pytest.raises(psycopg.Error, match="append-only"):
            owner.execute(text.encode())


def test_journals_are_pinned_now_and_then(database: Database, system: System, site: SiteId, clock: StillClock) -> None:
    device, head = system.ids.uuid7(), bytes(31) + b"\x01"
    with psycopg.connect(database.url) as owner:
        owner.execute(
            "insert into device (id, site_id, name, purposes, public_key, record_key_sealed, enrolled_at)"
            " values (%s, %s, 'gate', '{gate}', %s, '', now())", (device, site, head),
        )  # fmt: skip
        owner.execute(
            "insert into device_epoch (device_id, epoch, acked_through, head_hash, opened_at)"
            " values (%s, 7, 12, %s, now())", (device, head),
        )  # fmt: skip
    assert sealed_by(database, system) == 2
    with psycopg.connect(database.url) as owner:
        owner.execute("update device_epoch set acked_through = 13")
    assert sealed_by(database, system) == 0
    clock.forward(seconds=HEADS_EVERY / timedelta(seconds=1))
    assert sealed_by(database, system) == 1
    lines = database.read(lambda session: list(export_lines(session, PUBLIC)))
    pinned = [line for line in lines if b'\\"kind\\":\\"journal\\"' in line]
    assert [(b'\\"through\\":12' in line, head.hex().encode() in line) for line in pinned] == [
        (True, True),
        (False, True),
    ]
    assert verify_export(lines, PUBLIC).differences == ()
