"""The tree keeps the house rules, and each rule is shown to fail on a sample that breaks it."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import NamedTuple

import pytest

from tests.architecture import honest_tests, money_is_fen, shape, shared_codecs, sql_place, time_and_chance
from tests.architecture.source import Rule, Source, tree_sources


class Case(NamedTuple):
    """A rule with code that breaks it and code that looks alike and does not; each with the path it stands at."""

    rule: Rule
    bad: tuple[tuple[str, str], ...]
    good: tuple[tuple[str, str], ...]


LONG_BODY = "    x = 1\n"
PURPOSE = '"""Says what this file is for."""\n'

CASES = (
    Case(
        time_and_chance.clock_and_chance_are_injected,
        bad=(
            ("server/a.py", "from datetime import datetime, UTC\nat = datetime.now(UTC)"),
            ("server/a.py", "import datetime as dt\nfactory = dt.datetime.now"),
            ("cardcore/a.py", "import datetime\nday = datetime.date.today()"),
            ("reader_daemon/lane.py", "import time\nstart = time.monotonic()"),
            ("reader_daemon/lane.py", "from time import time as wall\nwall()"),
            ("server/a.py", "from uuid import uuid4\nkey = uuid4()"),
            ("server/a.py", "import secrets\ntoken = secrets.token_hex(8)"),
            ("server/a.py", "import os\nos.urandom(16)"),
            ("firmware_mocks/a.py", "import random\nrandom.choice([1, 2])"),
            ("firmware_mocks/a.py", "from random import randint\nrandint(1, 2)"),
            ("firmware_mocks/a.py", "from random import Random\nchance = Random()"),
            ("server/a.py", "from sqlalchemy import func\nat = func.now()"),
            (
                "reader_daemon/a.py",
                "from cryptography.hazmat.primitives.asymmetric import ed25519 as e\ne.Ed25519PrivateKey.generate()",
            ),
        ),
        good=(
            ("server/system.py", "import time\ntime.monotonic()"),
            ("server/bench/floor.py", "import time\ntime.perf_counter()"),
            ("server/a.py", "def f(clock):\n    return clock.now()"),
            (
                "firmware_mocks/a.py",
                "from random import Random\ndef f(chance: Random) -> Random:\n    return Random(7)",
            ),
            ("server/a.py", "from sqlalchemy import func\nfunc.count()"),
            ("tests/a.py", "import time\ntime.monotonic()"),
        ),
    ),
    Case(
        time_and_chance.sql_reads_no_clock,
        bad=(
            ("server/cards/repository.py", 'SQL = "UPDATE card SET at = now()"'),
            ("server/cards/models.py", 'default = "gen_random_uuid()"'),
            ("server/cards/repository.py", 'SQL = "select CURRENT_TIMESTAMP"'),
        ),
        good=(
            ("server/cards/repository.py", '"""Never asks for now()."""\nSQL = "UPDATE card SET at = :now"'),
            ("cardcore/a.py", 'TEXT = "now()"'),
        ),
    ),
    Case(
        time_and_chance.instants_are_aware,
        bad=(
            ("server/a.py", "from datetime import datetime\nat = datetime(2026, 1, 1)"),
            ("server/a.py", "import datetime as dt\nat = dt.datetime.combine(day, noon)"),
            ("server/a.py", "from datetime import datetime\nat = datetime.fromtimestamp(0)"),
            ("server/a.py", "at = other.replace(tzinfo=None)"),
        ),
        good=(
            ("server/a.py", "from datetime import datetime, UTC\nat = datetime(2026, 1, 1, tzinfo=UTC)"),
            ("server/a.py", "from datetime import datetime\nat = datetime.combine(day, noon, zone)"),
            ("server/a.py", "from datetime import datetime, UTC\nat = datetime.fromtimestamp(0, UTC)"),
        ),
    ),
    Case(
        money_is_fen.no_float_near_money,
        bad=(
            ("server/a.py", "price: float = 3"),
            ("server/a.py", "def f(amount: float | None): ..."),
            ("server/a.py", "def balance() -> float: ..."),
            ("server/a.py", "x = float(charge.price_fen)"),
            ("server/a.py", "x = balance_fen / 100"),
            ("admin_web/a.py", "x = row['amount'] // 100"),
            ("server/a.py", "x = price * 0.9"),
            ("server/a.py", "x = round(price)"),
        ),
        good=(
            ("cardcore/money.py", "def share(amount, parts):\n    return amount // parts"),
            ("server/a.py", "price: int = 3\ntotal = price * 2"),
            ("server/a.py", "seconds: float = 1.5 / 2"),
            ("server/a.py", "x = limits / count"),
        ),
    ),
    Case(
        sql_place.sql_stands_in_repositories,
        bad=(
            ("server/cards/service.py", "from sqlalchemy import select\nq = select(1)"),
            ("server/cards/api.py", "import sqlalchemy as sa\nq = sa.text('x')"),
            ("server/cards/service.py", "from sqlalchemy.dialects.postgresql import insert\ninsert(t)"),
            ("server/cards/service.py", "session.execute(q)"),
            ("admin_web/pages.py", "session.scalars(q)"),
            ("reader_daemon/lane.py", "import sqlite3"),
            ("firmware_mocks/a.py", "from sqlalchemy.orm import Session"),
        ),
        good=(
            ("server/cards/repository.py", "from sqlalchemy import select\nsession.execute(select(1))"),
            ("server/taps/decision_repository.py", "connection.execute(q)"),
            ("server/migrations/env.py", "connection.execute(q)"),
            ("server/database.py", "connection.execute(q)"),
            ("server/cards/models.py", "from sqlalchemy import text\ndefault = text('0')"),
            ("server/bus/redis_bus.py", "pipeline.execute()"),
            ("reader_daemon/store/journal.py", "import sqlite3\nsqlite3.connect('x').execute(q)"),
            ("firmware_mocks/osdp_reader/reader.py", "self.execute(command)"),
            ("server/cards/service.py", "from jinja2 import select\nselect(1)"),
        ),
    ),
    Case(
        shared_codecs.shared_codecs_are_pure,
        bad=(
            ("reader_daemon/protocols/osdp/frames.py", "from reader_daemon.messages import CardRead"),
            ("reader_daemon/protocols/osdp/frames.py", "import reader_daemon.protocols.osdp.panel"),
            ("reader_daemon/protocols/osdp/replies.py", "from reader_daemon.protocols.osdp import panel, codes"),
            ("reader_daemon/protocols/osdp/crypto.py", "from . import panel"),
        ),
        good=(
            ("reader_daemon/protocols/osdp/frames.py", "from reader_daemon.protocols.osdp.codes import Code"),
            ("reader_daemon/protocols/osdp/replies.py", "from reader_daemon.protocols.osdp import frames, codes"),
            ("reader_daemon/protocols/osdp/panel.py", "from reader_daemon.messages import CardRead"),
            ("reader_daemon/protocols/osdp/frames.py", "import struct\nfrom cardcore.ids import CredentialKey"),
        ),
    ),
    Case(
        shape.file_is_short,
        bad=(("server/a.py", "x = 1\n" * (shape.MAX_FILE_LINES + 1)),),
        good=(("server/a.py", "x = 1\n" * shape.MAX_FILE_LINES),),
    ),
    Case(
        shape.functions_are_short,
        bad=(
            ("server/a.py", "def f():\n" + LONG_BODY * shape.MAX_FUNCTION_LINES),
            ("cardcore/wire/a.py", "async def f():\n" + LONG_BODY * shape.MAX_CODEC_FUNCTION_LINES),
        ),
        good=(
            ("server/a.py", "def f():\n" + LONG_BODY * (shape.MAX_FUNCTION_LINES - 1)),
            ("cardcore/wire/a.py", "def f():\n" + LONG_BODY * shape.MAX_FUNCTION_LINES),
            ("server/migrations/versions/0001_first.py", "def upgrade():\n" + LONG_BODY * 100),
        ),
    ),
    Case(
        shape.file_says_what_it_is_for,
        bad=(("server/a.py", "x = 1\n"), ("server/__init__.py", ""), ("server/b.py", '"""Cards."""\n')),
        good=(("server/a.py", PURPOSE),),
    ),
    Case(
        shape.names_tell,
        bad=(
            ("server/utils.py", PURPOSE),
            ("server/helpers/cards.py", PURPOSE),
            ("tests/card_helpers.py", PURPOSE),
            ("server/device_manager.py", PURPOSE),
            ("server/a.py", "class CardManager: ..."),
        ),
        good=(("server/database.py", PURPOSE), ("server/a.py", "class DatabaseUnreachable: ...")),
    ),
    Case(
        shape.errors_are_not_swallowed,
        bad=(
            ("server/a.py", "try:\n    f()\nexcept:\n    raise"),
            ("server/a.py", "try:\n    f()\nexcept KeyError:\n    pass"),
            ("server/a.py", "try:\n    f()\nexcept Exception:\n    x = 1"),
            ("server/a.py", "try:\n    f()\nexcept (KeyError, BaseException):\n    ..."),
            ("server/a.py", "from contextlib import suppress\nwith suppress(Exception):\n    f()"),
        ),
        good=(
            ("server/a.py", "try:\n    f()\nexcept Exception:\n    log.exception('f_failed')"),
            ("server/a.py", "try:\n    f()\nexcept Exception as error:\n    keep(error)"),
            ("server/a.py", "try:\n    f()\nexcept KeyError:\n    x = 1"),
            ("server/a.py", "from contextlib import suppress\nwith suppress(KeyError):\n    f()"),
        ),
    ),
    Case(
        honest_tests.no_test_is_skipped,
        bad=(
            ("tests/test_a.py", "import pytest\n@pytest.mark.skipif(True, reason='x')\ndef test(): ..."),
            ("tests/test_a.py", "import pytest\npytest.importorskip('redis')"),
            ("tests/test_a.py", "from pytest import skip\nskip('x')"),
        ),
        good=(("tests/test_a.py", "import pytest\n@pytest.mark.chaos\ndef test(): ..."),),
    ),
    Case(
        honest_tests.no_test_sleeps,
        bad=(
            ("tests/test_a.py", "import time\ntime.sleep(1)"),
            ("tests/test_a.py", "import asyncio\nasync def test():\n    await asyncio.sleep(0.1)"),
            ("tests/test_a.py", "import asyncio\nasync def test():\n    await asyncio.sleep(delay)"),
            ("tests/fake_server.py", "import asyncio\nasync def reply():\n    await asyncio.sleep(0.1)"),
        ),
        good=(
            ("tests/test_a.py", "import asyncio\nasync def test():\n    await asyncio.sleep(0)"),
            ("tests/test_a.py", "import time\nwhile not done():\n    time.sleep(0.01)"),
            ("tests/test_a.py", "from tests.virtual_time import VirtualLoop\nimport asyncio\nasyncio.sleep(60)"),
            ("tests/fake_server.py", "import asyncio\nasync def reply(self):\n    await asyncio.sleep(self.delay)"),
        ),
    ),
)

by_rule = pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule.__name__)


@by_rule
def test_the_tree_keeps_the_rule(case: Case) -> None:
    broken = [violation for source in tree_sources() for violation in case.rule(source)]
    assert not broken, "\n".join(["", *map(str, broken)])


@by_rule
def test_the_rule_can_fail(case: Case) -> None:
    for path, text in case.bad:
        assert case.rule(Source(PurePosixPath(path), text)), f"not noticed at {path}:\n{text}"


@by_rule
def test_the_rule_lets_innocent_code_be(case: Case) -> None:
    for path, text in case.good:
        assert not case.rule(Source(PurePosixPath(path), text)), f"wrongly reported at {path}:\n{text}"
