"""The bus of a single process. Also the local half of the Redis bus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from server.bus.protocol import MISSED, BusMessage, BusState, Subscription


class LocalBus:
    """Delivers within this process, in order, at once."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._subscriptions: set[Subscription] = set()

    @property
    def state(self) -> BusState:
        """Always local."""
        return BusState.LOCAL

    def publish(self, topic: str, payload: Mapping[str, Any]) -> None:
        """Hand a message to every subscriber of the topic."""
        message = BusMessage(topic, payload)
        for subscription in tuple(self._subscriptions):
            if topic in subscription.topics:
                subscription.offer(message)

    def subscribe(self, *topics: str) -> Subscription:
        """Return a subscription that hears from now on."""
        subscription = Subscription(frozenset(topics), self._subscriptions.discard)
        self._subscriptions.add(subscription)
        return subscription

    def missed(self) -> None:
        """Tell everybody that messages were lost."""
        for subscription in tuple(self._subscriptions):
            subscription.offer(MISSED)

    async def start(self) -> None:
        """Nothing to begin."""

    async def close(self) -> None:
        """End every subscription."""
        for subscription in tuple(self._subscriptions):
            subscription.close()
