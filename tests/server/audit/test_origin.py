"""From where a deed comes: named once at each entrance, written and sealed with the deed; old rows as they were."""

from __future__ import annotations

import asyncio

from starlette.types import Message, Receive, Scope, Send

from cardcore.ids import DeviceId, SiteId
from server.api.from_address import FromAddress
from server.audit import origin, repository
from server.audit.content import audit_content
from server.audit.service import Deed, record
from server.audit.tree_repository import unsealed
from server.database import Database
from server.executor import Executor
from server.system import System


def _origins(database: Database, site: SiteId) -> list[str]:
    rows = database.read(lambda session: repository.of_object(session, site, "thing:1"))
    return [row["origin"] for row in rows]


def test_c83_a_deed_is_kept_with_where_it_came_from(database: Database, system: System, site: SiteId) -> None:
    device = DeviceId(system.ids.uuid7())

    def do() -> None:
        database.write(lambda session: record(session, system, site, Deed("staff:1", "thing_done", "thing:1")))

    do()
    for one in (origin.of_address("2001:db8::7"), origin.of_device(device), origin.of_command("root")):
        with origin.coming_from(one):
            do()
    do()
    assert sorted(_origins(database, site)) == sorted(
        ["address:2001:db8::7", f"device:{device}", "command:root", "server", "server"]
    )


def test_c83_rows_from_before_keep_their_seals(database: Database, system: System, site: SiteId) -> None:
    with origin.coming_from("address:10.0.0.5"):
        database.write(lambda session: record(session, system, site, Deed("staff:1", "thing_done", "thing:1")))
    newest = dict(database.read(unsealed)[-1])
    assert '"origin":"address:10.0.0.5"' in audit_content(newest)  # type: ignore[arg-type]
    assert "origin" not in audit_content({**newest, "origin": None})  # type: ignore[arg-type]


async def test_c83_each_request_carries_its_own_address_into_the_threads() -> None:
    run, seen = Executor("test", 2), {}

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        await asyncio.sleep(0)
        seen[scope["path"]] = await run(origin.current)

    async def receive() -> Message:
        raise AssertionError

    async def send(_message: Message) -> None:
        raise AssertionError

    wrapped = FromAddress(app)
    scopes: list[Scope] = [
        {
            "type": "http",
            "path": f"/{last}",
            "client": (f"10.0.0.{last}", 5),
            "headers": [(b"x-forwarded-for", b"1.2.3.4"), (b"forwarded", b"for=1.2.3.4")],
        }
        for last in range(8)
    ]
    await asyncio.gather(*(wrapped(scope, receive, send) for scope in scopes))
    run.close()
    assert seen == {f"/{last}": f"address:10.0.0.{last}" for last in range(8)}
    assert origin.current() == origin.SERVER


def test_an_origin_is_never_longer_than_its_column() -> None:
    assert len(origin.of_address("x" * 500)) == len(origin.of_command("y" * 500)) == origin.MAX_ORIGIN
