"""The peer: the charge service a usual team writes, as fairly as one can.

FastAPI and the SQLAlchemy ORM on psycopg, pooled connections, a transaction a tap: look for the tap's key, lock the
purse with SELECT .. FOR UPDATE, write the tap under its unique key and two postings, change the balance, commit.
It checks the card and the balance and nothing else: no meal periods or tariffs, no chained and sealed records, no
device keys, no events for live pages, no outcomes. All of that is in the product's figure and would only slow this one.

`server.bench` loads this file by its path; the four functions at the end are its whole contract.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID, uuid4

import anyio.to_thread
from fastapi import FastAPI
from pydantic import BaseModel, Field
from sqlalchemy import BigInteger, ForeignKey, MetaData, UniqueConstraint, create_engine, event, select, text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship, sessionmaker

SCHEMA = "usual"
CONNECTIONS = 8
"""Threads and pooled connections; 2, 4, 8 and 16 were tried on the reference box, 8 was the fastest."""
STALL_ACCOUNT = 1


class Table(DeclarativeBase):
    """The peer's own schema."""

    metadata = MetaData(schema=SCHEMA)


class Purse(Table):
    """An account with money."""

    __tablename__ = "purse"
    id: Mapped[int] = mapped_column(primary_key=True)
    balance_fen: Mapped[int] = mapped_column(BigInteger)
    floor_fen: Mapped[int] = mapped_column(BigInteger, default=0)


class Card(Table):
    """A credential and the purse it pays from."""

    __tablename__ = "card"
    credential: Mapped[str] = mapped_column(primary_key=True)
    active: Mapped[bool]
    purse_id: Mapped[int] = mapped_column(ForeignKey(f"{SCHEMA}.purse.id"))


class TapRow(Table):
    """A tap and its stored decision."""

    __tablename__ = "tap"
    __table_args__ = (UniqueConstraint("device", "epoch", "seq"),)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    device: Mapped[str]
    epoch: Mapped[int] = mapped_column(BigInteger)
    seq: Mapped[int] = mapped_column(BigInteger)
    till: Mapped[str]
    credential: Mapped[str]
    granted: Mapped[bool]
    reason: Mapped[str]
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    balance_fen: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime]
    postings: Mapped[list[Posting]] = relationship(lazy="raise")


class Posting(Table):
    """One side of a charge; the two sides sum to zero."""

    __tablename__ = "posting"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    tap_id: Mapped[UUID] = mapped_column(ForeignKey(f"{SCHEMA}.tap.id"), index=True)
    purse_id: Mapped[int | None] = mapped_column(ForeignKey(f"{SCHEMA}.purse.id"), index=True)
    stall_account: Mapped[int | None]
    amount_fen: Mapped[int] = mapped_column(BigInteger)


class ChargeRequest(BaseModel):
    """One tap at a till."""

    device: Annotated[str, Field(max_length=64)]
    epoch: int
    seq: Annotated[int, Field(gt=0)]
    till: Annotated[str, Field(max_length=64)]
    credential: Annotated[str, Field(max_length=80)]


class ChargeAnswer(BaseModel):
    """The decision."""

    granted: bool
    reason: str
    amount_fen: int
    balance_fen: int


def _engine(url: str) -> Engine:
    engine = create_engine(
        url.replace("postgresql://", "postgresql+psycopg://", 1),
        pool_size=CONNECTIONS,
        max_overflow=0,
        connect_args={"options": "-c timezone=UTC -c synchronous_commit=on"},
    )

    @event.listens_for(engine, "connect")
    def prepare_soon(connection: object, _record: object) -> None:
        connection.prepare_threshold = 2  # type: ignore[attr-defined]  # psycopg's own; prepared statements are fair

    return engine


def _charge(session: Session, request: ChargeRequest, price_fen: int) -> ChargeAnswer:
    found = _stored(session, request)
    if found is not None:
        return found
    row = session.execute(
        select(Card, Purse)
        .join(Purse, Purse.id == Card.purse_id)
        .where(Card.credential == request.credential)
        .with_for_update(of=Purse)
    ).one_or_none()
    granted, reason, balance = False, "card_unknown", 0
    if row is not None:
        card, purse = row
        balance = purse.balance_fen
        if not card.active:
            reason = "card_not_accepted"
        elif balance - price_fen < purse.floor_fen:
            reason = "balance_too_low"
        else:
            granted, reason = True, "charged"
            balance = purse.balance_fen = balance - price_fen
    tap = TapRow(  # ids are drawn here, so that one flush writes everything and asks for nothing back
        id=uuid4(), **request.model_dump(), granted=granted, reason=reason, amount_fen=price_fen if granted else 0,
        balance_fen=balance, at=datetime.now(UTC).replace(tzinfo=None),
    )  # fmt: skip
    session.add(tap)
    if granted and row is not None:
        tap.postings = [
            Posting(id=uuid4(), purse_id=row[1].id, stall_account=None, amount_fen=-price_fen),
            Posting(id=uuid4(), purse_id=None, stall_account=STALL_ACCOUNT, amount_fen=price_fen),
        ]
    return ChargeAnswer(granted=granted, reason=reason, amount_fen=tap.amount_fen, balance_fen=balance)


def _stored(session: Session, request: ChargeRequest) -> ChargeAnswer | None:
    found = session.execute(
        select(TapRow.granted, TapRow.reason, TapRow.amount_fen, TapRow.balance_fen).where(
            TapRow.device == request.device, TapRow.epoch == request.epoch, TapRow.seq == request.seq
        )
    ).one_or_none()
    return None if found is None else ChargeAnswer(**found._mapping)


# --- the contract with server.bench ---------------------------------------------------------------------------


def prepare(url: str, cards: Sequence[tuple[str, bool, int]]) -> None:
    """Make the schema anew with these cards: credential, whether it is accepted at a till, balance in fen."""
    engine = _engine(url)
    with engine.begin() as connection:
        connection.execute(text(f"drop schema if exists {SCHEMA} cascade"))
        connection.execute(text(f"create schema {SCHEMA}"))
        connection.execute(text("set local synchronous_commit = off"))
        Table.metadata.create_all(connection)
    with Session(engine) as session, session.begin():
        session.add_all(Purse(id=number, balance_fen=fen, floor_fen=0) for number, (_, _, fen) in enumerate(cards, 1))
        session.flush()
        session.add_all(
            Card(credential=credential, active=active, purse_id=number)
            for number, (credential, active, _) in enumerate(cards, 1)
        )
    engine.dispose()


def create_app(url: str, price_fen: int) -> FastAPI:
    """Return the service; every meal costs `price_fen`."""
    engine = _engine(url)
    sessions = sessionmaker(engine, expire_on_commit=False)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = CONNECTIONS
        yield
        engine.dispose()

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)

    @app.post("/charge")
    def charge(request: ChargeRequest) -> ChargeAnswer:
        try:
            with sessions.begin() as session:
                return _charge(session, request, price_fen)
        except IntegrityError:  # the same key arrived twice at once: the other one has stored it
            with sessions.begin() as session:
                found = _stored(session, request)
            if found is None:
                raise
            return found

    return app


def balances(url: str) -> dict[str, int]:
    """Return every card's balance in fen."""
    engine = _engine(url)
    with Session(engine) as session:
        rows = session.execute(select(Card.credential, Purse.balance_fen).join(Purse, Purse.id == Card.purse_id)).all()
    engine.dispose()
    return {row[0]: row[1] for row in rows}


def books_balance(url: str) -> bool:
    """Tell whether all postings sum to zero."""
    engine = _engine(url)
    with Session(engine) as session:
        unequal = session.scalar(text(f"select coalesce(sum(amount_fen), 0) from {SCHEMA}.posting"))  # noqa: S608
    engine.dispose()
    return int(unequal or 0) == 0
