"""The test support itself: databases are fresh, and Redis comes back empty after a stop."""

from __future__ import annotations

import psycopg
import redis

from tests.private_postgres import OLDEST_POSTGRES, PrivatePostgres
from tests.private_redis import PrivateRedis


def test_each_database_is_fresh(embedded_postgres: PrivatePostgres) -> None:
    with embedded_postgres.fresh_database(migrated=False) as first, psycopg.connect(first) as connection:
        assert connection.info.server_version // 10_000 == OLDEST_POSTGRES
        connection.execute("CREATE TABLE mark (number int)")
        connection.commit()
        with embedded_postgres.fresh_database(migrated=False) as second, psycopg.connect(second) as other:
            found = other.execute("SELECT count(*) FROM pg_tables WHERE tablename = 'mark'").fetchone()
    assert found == (0,)


def test_a_dropped_database_takes_its_connections_along(embedded_postgres: PrivatePostgres) -> None:
    with embedded_postgres.fresh_database(migrated=False) as url:
        forgotten = psycopg.connect(url)
    with psycopg.connect(embedded_postgres.url("postgres")) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_database WHERE datname = %s", [forgotten.info.dbname]
        ).fetchone()
    forgotten.close()
    assert row == (0,)


def test_redis_is_empty_for_each_test_and_after_a_restart(private_redis: PrivateRedis, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.set("mark", "1")
    private_redis.flush()
    with redis.Redis.from_url(redis_url) as client:
        assert client.get("mark") is None
        client.set("mark", "1")
    private_redis.stop()
    private_redis.start()
    with redis.Redis.from_url(redis_url) as client:
        assert client.get("mark") is None
