"""Asking a provider about orders whose callback is late: what repairs a lost one. No transaction is open meanwhile."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable

import structlog

from server.database import Database, DatabaseUnavailableError, WriteSession
from server.link.ports import Run
from server.payments import service
from server.payments.models import Order, Payment, Provider, ProviderUnavailableError, Verdict
from server.system import System

EVERY_S = 30

log = structlog.get_logger(__name__)


def poll(database: Database, system: System, provider: Provider) -> Counter[Verdict]:
    """Ask about every overdue order, at most `MAX_POLLED`; end early when the provider is away."""
    verdicts: Counter[Verdict] = Counter()
    now = system.clock.now()
    for order in database.read(lambda session: service.overdue(session, provider.name, now)):
        try:
            said = provider.query(order.number)
        except ProviderUnavailableError as error:
            log.warning("payment_provider_unavailable", provider=provider.name, problem=str(error))
            break
        verdicts[_settle(database, system, provider, order, said)] += 1
    return verdicts


async def keep_polling(run: Run, database: Database, system: System, providers: Iterable[Provider]) -> None:
    """Ask every provider again and again, until cancelled."""
    while True:
        await asyncio.sleep(EVERY_S)
        for provider in providers:
            try:
                await run(poll, database, system, provider)
            except DatabaseUnavailableError as error:
                log.warning("payment_poll_without_database", provider=provider.name, problem=str(error))


def _settle(database: Database, system: System, provider: Provider, order: Order, said: Payment | None) -> Verdict:
    unpaid = Payment(order.number, paid=False, amount=order.amount, reference="")

    def write(session: WriteSession) -> Verdict:
        service.note_asked(session, system, order)
        return service.settle(session, system, provider.name, said or unpaid)

    return database.write(write)
