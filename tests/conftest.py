"""What tests of several parts share: a private PostgreSQL and Redis a test process, and how hard hypothesis searches.

Nothing here is skipped where a program is missing: the test fails and says what to install. No test may lean on
a service of the machine, on a fixed port or on a fixed path.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.private_postgres import PrivatePostgres
from tests.private_redis import PrivateRedis

# On a loaded machine an example may take long: that is no failure (timings are never asserted).
settings.register_profile("dev", deadline=None)
# The build repeats itself: the same examples every time, so that a red build is red again.
settings.register_profile(
    "ci", deadline=None, derandomize=True, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture(scope="session")
def short_tmp() -> Iterator[Path]:
    """Return a folder with a short path that every user may enter: sockets and the database's own user need both."""
    path = Path(tempfile.mkdtemp(prefix="onecard-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def embedded_postgres(short_tmp: Path) -> Iterator[PrivatePostgres]:
    """Return this test process's own PostgreSQL cluster, made on first use and deleted at the end."""
    cluster = PrivatePostgres(short_tmp / "postgres")
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture
def empty_postgres_url(embedded_postgres: PrivatePostgres) -> Iterator[str]:
    """Return the URL of a fresh database without a table; dropped after the test, connections and all."""
    with embedded_postgres.fresh_database(migrated=False) as url:
        yield url


@pytest.fixture
def postgres_url(embedded_postgres: PrivatePostgres) -> Iterator[str]:
    """Return the URL of a fresh database at the newest schema; dropped after the test, connections and all."""
    with embedded_postgres.fresh_database(migrated=True) as url:
        yield url


@pytest.fixture(scope="session")
def private_redis(short_tmp: Path) -> Iterator[PrivateRedis]:
    """Return this test process's own Redis; a test may stop and start it, and leaves it running."""
    server = PrivateRedis(short_tmp / "redis")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_url(private_redis: PrivateRedis) -> str:
    """Return the URL of an empty Redis on a unix socket."""
    private_redis.flush()
    return private_redis.url
