"""The SQL of staff, their sessions and failed sign-ins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text


def insert_staff(session: Connection, row: Mapping[str, Any]) -> bool:
    """Add a member of staff; tell whether the login was free."""
    return session.execute(_INSERT, row).rowcount > 0


def by_login(session: Connection, login: str) -> RowMapping | None:
    """Find a member of staff by login."""
    return session.execute(_BY_LOGIN, {"login": login}).mappings().one_or_none()


def get(session: Connection, staff_id: UUID) -> RowMapping | None:
    """Return a member of staff."""
    return session.execute(_GET, {"id": staff_id}).mappings().one_or_none()


def lock(session: Connection, staff_id: UUID) -> RowMapping | None:
    """Lock and return a member of staff."""
    return session.execute(_LOCK, {"id": staff_id}).mappings().one_or_none()


def all_staff(session: Connection, site_id: UUID) -> Sequence[RowMapping]:
    """Return everybody of a site, by login."""
    return session.execute(_ALL, {"site_id": site_id}).mappings().all()


def update(session: Connection, staff_id: UUID, state: str, roles: Sequence[str]) -> None:
    """Set state and roles."""
    session.execute(_UPDATE, {"id": staff_id, "state": state, "roles": list(roles)})


def set_password(session: Connection, staff_id: UUID, password_hash: str, *, is_temporary: bool = False) -> None:
    """Set the password's hash and forget earlier failures; a temporary one must be replaced at the next sign-in."""
    values = {"id": staff_id, "password_hash": password_hash, "is_temporary": is_temporary}
    session.execute(_SET_PASSWORD, values)


def has_factor(session: Connection, staff_id: UUID) -> bool:
    """Tell whether a second factor is in use."""
    return bool(session.execute(_HAS_FACTOR, {"id": staff_id}).scalar_one())


def roles_of_person(session: Connection, person_id: UUID, but: UUID) -> list[str]:
    """Return the roles of the other active logins of a person."""
    return list(session.execute(_ROLES_OF_PERSON, {"person_id": person_id, "but": but}).scalars())


def directory(session: Connection, site_id: UUID) -> Sequence[RowMapping]:
    """Return everybody of a site with the person behind the login, and how they sign in, by login."""
    return session.execute(_DIRECTORY, {"site_id": site_id}).mappings().all()


def sessions_of(session: Connection, staff_id: UUID, now: datetime, idle_since: datetime) -> Sequence[RowMapping]:
    """Return somebody's sessions in force, newest activity first."""
    values = {"id": staff_id, "now": now, "idle_since": idle_since}
    return session.execute(_SESSIONS_OF, values).mappings().all()


def delete_session_named(session: Connection, staff_id: UUID, name: str) -> bool:
    """End one of somebody's sessions by the beginning of its hash in hex."""
    return session.execute(_DELETE_NAMED, {"id": staff_id, "name": name}).rowcount > 0


def delete_other_sessions(session: Connection, staff_id: UUID, token_hash: bytes) -> int:
    """End somebody's sessions but one; return how many there were."""
    return session.execute(_DELETE_OTHERS, {"id": staff_id, "token_hash": token_hash}).rowcount


def set_person(session: Connection, staff_id: UUID, person_id: UUID) -> None:
    """Say who stands behind a login."""
    session.execute(_SET_PERSON, {"id": staff_id, "person_id": person_id})


def set_failures(session: Connection, staff_id: UUID, failures: int) -> None:
    """Set how many tries failed one after the other."""
    session.execute(_SET_FAILURES, {"id": staff_id, "failures": failures})


def lock_tries(session: Connection, site_id: UUID) -> None:
    """Let one try at a time be counted: locks the site's row in the way that hinders no reference to it."""
    session.execute(_LOCK_TRIES, {"site_id": site_id})


def add_try(session: Connection, keys: Sequence[str], at: datetime, forget_before: datetime) -> None:
    """Note a try under each key, and forget old ones."""
    session.execute(_FORGET_TRIES, {"before": forget_before})
    session.execute(_ADD_TRY, [{"key": key, "at": at} for key in keys])


def tries(session: Connection, key: str, since: datetime) -> list[datetime]:
    """Return the instants of the tries noted under a key, oldest first."""
    return list(session.execute(_TRIES, {"key": key, "since": since}).scalars())


def forget_try(session: Connection, login_key: str, address_key: str, at: datetime) -> None:
    """Forget every try of a login, and the one of an address that has just succeeded."""
    session.execute(_FORGET_LOGIN, {"key": login_key})
    session.execute(_FORGET_ONE, {"key": address_key, "at": at})


def insert_session(session: Connection, row: Mapping[str, Any]) -> None:
    """Add a session."""
    session.execute(_INSERT_SESSION, row)


def session_of(session: Connection, token_hash: bytes) -> RowMapping | None:
    """Return a session with its member of staff."""
    return session.execute(_SESSION, {"token_hash": token_hash}).mappings().one_or_none()


def touch_session(session: Connection, token_hash: bytes, at: datetime) -> None:
    """Note activity."""
    session.execute(_TOUCH_SESSION, {"token_hash": token_hash, "at": at})


def delete_session(session: Connection, token_hash: bytes) -> None:
    """End one session."""
    session.execute(_DELETE_SESSION, {"token_hash": token_hash})


def delete_sessions_of(session: Connection, staff_id: UUID) -> int:
    """End all sessions of a member of staff and return how many there were."""
    return session.execute(_DELETE_SESSIONS_OF, {"id": staff_id}).rowcount


def delete_expired(session: Connection, now: datetime, idle_since: datetime) -> None:
    """Remove sessions that are over anyway."""
    session.execute(_DELETE_EXPIRED, {"now": now, "idle_since": idle_since})


_INSERT = text("""
    insert into staff (id, site_id, login, name, password_hash, roles, language, person_id, created_at,
        must_set_password)
    values (:id, :site_id, :login, :name, :password_hash, :roles, :language, :person_id, :created_at,
        :must_set_password)
    on conflict (login) do nothing
""")
_BY_LOGIN = text("select * from staff where login = :login")
_GET = text("select * from staff where id = :id")
_LOCK = text("select * from staff where id = :id for update")
_ALL = text("select * from staff where site_id = :site_id order by login")
_UPDATE = text("update staff set state = :state, roles = :roles where id = :id")
_SET_PASSWORD = text("""
    update staff set password_hash = :password_hash, failures = 0, must_set_password = :is_temporary where id = :id
""")
_SET_PERSON = text("update staff set person_id = :person_id where id = :id")
_SET_FAILURES = text("update staff set failures = :failures where id = :id")
_LOCK_TRIES = text("select 1 from site where id = :site_id for no key update")
_FORGET_TRIES = text("delete from login_failure where at < :before")
_ADD_TRY = text("insert into login_failure (address, at) values (:key, :at)")
_TRIES = text("select at from login_failure where address = :key and at > :since order by at")
_FORGET_LOGIN = text("delete from login_failure where address = :key")
_FORGET_ONE = text("delete from login_failure where address = :key and at = :at")
_INSERT_SESSION = text("""
    insert into staff_session (token_hash, staff_id, created_at, last_seen_at, expires_at, address, agent, pending)
    values (:token_hash, :staff_id, :now, :now, :expires_at, :address, :agent, :pending)
""")
_SESSION = text("""
    select t.created_at, t.last_seen_at, t.expires_at, t.pending, s.id, s.site_id, s.login, s.name,
        s.roles, s.state, s.language
    from staff_session t join staff s on s.id = t.staff_id where t.token_hash = :token_hash
""")
_TOUCH_SESSION = text("update staff_session set last_seen_at = :at where token_hash = :token_hash")
_DELETE_SESSION = text("delete from staff_session where token_hash = :token_hash")
_DELETE_SESSIONS_OF = text("delete from staff_session where staff_id = :id")
_DELETE_EXPIRED = text("delete from staff_session where expires_at <= :now or last_seen_at <= :idle_since")
_HAS_FACTOR = text("select exists (select 1 from staff_factor where staff_id = :id and confirmed_at is not null)")
_ROLES_OF_PERSON = text("""
    select distinct unnest(roles) from staff where person_id = :person_id and id <> :but and state = 'active'
""")
_DIRECTORY = text("""
    select s.*, p.name as person_name, p.number as person_number,
        exists (select 1 from staff_factor f where f.staff_id = s.id and f.confirmed_at is not null) as has_factor,
        (select max(last_seen_at) from staff_session t where t.staff_id = s.id) as last_seen_at
    from staff s left join person p on p.id = s.person_id where s.site_id = :site_id order by s.login
""")
_SESSIONS_OF = text("""
    select * from staff_session where staff_id = :id and pending = '' and expires_at > :now
        and last_seen_at > :idle_since
    order by last_seen_at desc, token_hash
""")
_DELETE_NAMED = text("""
    delete from staff_session where staff_id = :id and left(encode(token_hash, 'hex'), 16) = :name
""")
_DELETE_OTHERS = text("delete from staff_session where staff_id = :id and token_hash <> :token_hash")
