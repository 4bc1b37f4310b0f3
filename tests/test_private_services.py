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


def test_a_used_database_comes_back_as_it_was_made(embedded_postgres: PrivatePostgres) -> None:
    with (
        embedded_postgres.fresh_database(migrated=True) as first,
        psycopg.connect(first, autocommit=True) as connection,
    ):
        before = connection.execute("SELECT * FROM audit_tree").fetchall()
        connection.execute(
            "INSERT INTO site (id, slug, name_en, name_zh, created_at) VALUES (gen_random_uuid(), 'a', 'A', 'A', now())"
        )
        connection.execute("DELETE FROM alembic_version")
    with embedded_postgres.fresh_database(migrated=True) as second, psycopg.connect(second) as connection:
        assert connection.execute("SELECT count(*) FROM site").fetchone() == (0,)
        assert connection.execute("SELECT * FROM audit_tree").fetchall() == before
        assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)
    assert second == first


def test_a_database_whose_shape_was_changed_is_not_given_out_again(embedded_postgres: PrivatePostgres) -> None:
    changes = (
        "ALTER TABLE charge RENAME TO hidden",
        "ALTER TABLE record ADD CONSTRAINT poison CHECK (seq <> 2)",
        "ALTER TABLE audit DISABLE TRIGGER append_only",
        "ALTER TABLE site ALTER COLUMN slug DROP NOT NULL",
        "CREATE TABLE mark (number int)",
    )
    used = set()
    for change in changes:
        with (
            embedded_postgres.fresh_database(migrated=True) as url,
            psycopg.connect(url, autocommit=True) as connection,
        ):
            connection.execute(change)
        assert url not in used
        used.add(url)


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
