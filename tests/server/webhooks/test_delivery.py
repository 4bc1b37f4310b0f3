"""Webhooks against a real HTTP receiver on loopback: order, signatures, failures, lost answers, restarts, limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import text

from cardcore.ids import SiteId
from server.alarms import service as alarms
from server.bus.local import LocalBus
from server.database import Database, WriteSession
from server.outbox import repository as outbox
from server.outbox.events import Topic
from server.secrets_file import ServerSecrets, secrets_from
from server.system import System
from server.webhooks import progress, service
from server.webhooks.models import LEASE, Attempt, Message, Result, WebhookRefusal, WebhookState, WebhookView
from server.webhooks.sending import trust_of
from server.webhooks.service import NewWebhook, ShownSecret
from server.webhooks.signing import signature
from server.webhooks.targets import parse_targets
from server.webhooks.task import Webhooks
from tests.server.conftest import StillClock
from tests.server.webhooks.receiver import Receiver, receiving

KEY = bytes(range(7, 39))


@dataclass
class Post:
    """One site with one webhook, and the task that sends."""

    database: Database
    system: System
    clock: StillClock
    site: SiteId
    receiver: Receiver
    secrets: ServerSecrets
    task: Webhooks
    shown: ShownSecret

    def tell(self, *numbers: int, topic: str = "alarms") -> None:
        def write(session: WriteSession) -> None:
            for number in numbers:
                outbox.append(session, self.system, self.site, topic, {"n": number})

        self.database.write(write)
        self.database.write(lambda session: outbox.number_waiting(session, self.site))

    async def turn(self) -> None:
        """Let every webhook that is due have its turn."""
        await self.task.look()
        await self.task.settled()

    def view(self) -> WebhookView:
        found = self.database.read(lambda session: service.one(session, self.site, self.shown.id))
        assert found is not None
        return found

    def log(self) -> list[tuple[int | None, Result]]:
        lines = self.database.read(lambda session: service.deliveries(session, self.shown.id))
        return [(line.number, line.result) for line in reversed(lines)]

    def starting(self) -> Webhooks:
        targets = parse_targets(f"http://127.0.0.1:{self.receiver.port}")
        return Webhooks(self.database, LocalBus(), self.system, self.secrets, targets, trust_of(None))


@pytest.fixture
async def post(database: Database, system: System, clock: StillClock, site: SiteId) -> AsyncIterator[Post]:
    secrets = secrets_from(KEY, system.ids)
    async with receiving() as receiver:
        targets = parse_targets(f"http://127.0.0.1:{receiver.port}")
        new = NewWebhook("erp", f"http://127.0.0.1:{receiver.port}/in", frozenset({Topic.ALARMS, Topic.VISIT}))
        database.write(lambda session: session.execute(text("delete from outbox")))
        made = database.write(lambda session: service.add(session, system, secrets, targets, site, "test", new))
        assert isinstance(made, ShownSecret)
        task = Webhooks(database, LocalBus(), system, secrets, targets, trust_of(None))
        yield Post(database, system, clock, site, receiver, secrets, task, made)


async def test_a71_events_come_in_order_signed_and_once(post: Post) -> None:
    post.tell(1, 2)
    post.tell(3, topic="taps")
    post.tell(4, topic="visit")
    await post.turn()
    await post.turn()
    assert [one.data["n"] for one in post.receiver.heard] == [1, 2, 4]
    first = post.receiver.heard[0]
    assert first.path == "/in"
    assert first.headers["host"] == f"127.0.0.1:{post.receiver.port}"
    at = int(first.headers["webhook-timestamp"])
    assert at == int(post.clock.now().timestamp())
    assert first.headers["webhook-signature"] == signature(
        post.shown.secret, first.headers["webhook-id"], at, first.body
    )
    assert len({one.headers["webhook-id"] for one in post.receiver.heard}) == 3
    assert [result for _, result in post.log()] == [Result.DELIVERED] * 3


async def test_a71_a_failing_receiver_is_tried_again_later_and_order_stays(post: Post) -> None:
    post.receiver.answers = [b"500 No\r\n", b"503 Busy\r\nretry-after: 120\r\n", b"200 OK\r\n"]
    post.tell(1, 2)
    await post.turn()
    await post.turn()
    assert len(post.receiver.heard) == 1, "it waits before it tries again"
    post.clock.forward(seconds=1)
    await post.turn()
    assert post.view().next_at == post.clock.now() + timedelta(seconds=120), "as long as the receiver asked"
    post.clock.forward(seconds=119)
    await post.turn()
    assert len(post.receiver.heard) == 2
    post.clock.forward(seconds=1)
    await post.turn()
    assert [one.data["n"] for one in post.receiver.heard] == [1, 1, 1, 2]
    assert len({one.headers["webhook-id"] for one in post.receiver.heard[:3]}) == 1, "the id stays"
    assert post.view().failing_since is None


async def test_a71_a_lost_answer_brings_the_same_event_again_under_the_same_id(post: Post) -> None:
    post.receiver.answers = [b"lost", b"204 No Content\r\n"]
    post.tell(1)
    await post.turn()
    assert post.log()[-1][1] is Result.NO_CONNECTION
    post.clock.forward(seconds=2)
    await post.turn()
    assert [one.data["n"] for one in post.receiver.heard] == [1, 1]
    assert len({one.headers["webhook-id"] for one in post.receiver.heard}) == 1


async def test_a71_redirects_are_never_followed(post: Post) -> None:
    post.receiver.answers = [f"302 Found\r\nlocation: http://127.0.0.1:{post.receiver.port}/other\r\n".encode()]
    post.tell(1)
    await post.turn()
    assert [one.path for one in post.receiver.heard] == ["/in"]
    assert post.log()[-1][1] is Result.REDIRECTED


async def test_a71_a_restart_in_the_middle_loses_nothing(post: Post) -> None:
    post.receiver.answers = [b"204 No Content\r\n", b"silent"]
    post.tell(1, 2, 3)
    await post.task.look()
    while len(post.receiver.heard) < 2:
        post.receiver.came.clear()
        await post.receiver.came.wait()
    serving = asyncio.create_task(post.task.serve())
    await asyncio.sleep(0)
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    post.receiver.answers = [b"204 No Content\r\n"]
    again = post.starting()
    await again.look()
    await again.settled()
    assert len(post.receiver.heard) == 2, "the old process's turn is not over yet"
    post.clock.at += LEASE + timedelta(seconds=1)
    await again.look()
    await again.settled()
    assert [one.data["n"] for one in post.receiver.heard] == [1, 2, 2, 3]


async def test_two_processes_send_for_a_webhook_one_at_a_time(post: Post) -> None:
    other = post.starting()
    post.tell(*range(10))
    await asyncio.gather(post.task.look(), other.look())
    await asyncio.gather(post.task.settled(), other.settled())
    assert [one.data["n"] for one in post.receiver.heard] == list(range(10))


async def test_a71_a_dead_receiver_is_stopped_with_an_alarm_and_goes_on_where_it_was(post: Post) -> None:
    post.receiver.answers = [b"500 No\r\n"]
    post.tell(1, 2)
    for _ in range(40):
        await post.turn()
        if post.view().state is WebhookState.STOPPED:
            break
        post.clock.forward(hours=1)
    assert post.view().state is WebhookState.STOPPED
    assert post.view().failures >= 10
    waiting = post.database.read(lambda session: alarms.open_alarms(session, post.site, alarms.Wanted()))
    assert [(alarm.kind, alarm.place) for alarm in waiting] == [("webhook_stopped", "erp")]
    tried = len(post.receiver.heard)
    await post.turn()
    assert len(post.receiver.heard) == tried
    post.receiver.answers = [b"204 No Content\r\n"]
    post.database.write(lambda session: service.resume(session, post.system, post.site, "test", post.shown.id))
    await post.turn()
    assert [one.data["n"] for one in post.receiver.heard[tried:]][:2] == [1, 2]


async def test_a_receiver_that_is_gone_is_stopped_at_once(post: Post) -> None:
    post.receiver.answers = [b"410 Gone\r\n"]
    post.tell(1)
    await post.turn()
    assert post.view().state is WebhookState.STOPPED


async def test_a71_replay_sends_again_from_an_id_under_the_same_ids(post: Post) -> None:
    post.tell(1, 2, 3)
    await post.turn()
    ids = [one.headers["webhook-id"] for one in post.receiver.heard]
    after = post.receiver.heard[0].number
    assert after is not None

    def replay(wanted: int) -> WebhookRefusal | None:
        call = partial(service.replay, system=post.system, site_id=post.site, actor="t", after=wanted)
        return post.database.write(lambda session: call(session, webhook_id=post.shown.id))

    refusals = [replay(after), replay(10**6)]
    assert refusals == [None, WebhookRefusal.NOT_KEPT]
    await post.turn()
    assert [one.headers["webhook-id"] for one in post.receiver.heard] == [*ids, *ids[1:]]


async def test_a71_a_test_message_goes_out_even_while_paused(post: Post) -> None:
    post.tell(1)
    post.database.write(lambda session: service.pause(session, post.system, post.site, "test", post.shown.id))
    post.database.write(lambda session: service.ping(session, post.system, post.site, post.shown.id))
    await post.turn()
    await post.turn()
    assert post.receiver.numbers == [None]
    assert post.log() == [(None, Result.DELIVERED)]


async def test_a71_a_rotated_secret_and_the_old_one_are_good_side_by_side_for_a_day(post: Post) -> None:
    fresh = post.database.write(
        lambda session: service.rotate(session, post.system, post.secrets, post.site, "test", post.shown.id)
    )
    assert isinstance(fresh, ShownSecret)
    post.tell(1)
    await post.turn()
    post.clock.forward(hours=25)
    post.tell(2)
    await post.turn()

    def fits(place: int, secret: str) -> bool:
        one = post.receiver.heard[place]
        at = int(one.headers["webhook-timestamp"])
        wanted = signature(secret, one.headers["webhook-id"], at, one.body)
        return wanted in one.headers["webhook-signature"].split(" ")

    assert fits(0, post.shown.secret)
    assert fits(0, fresh.secret)
    assert not fits(1, post.shown.secret)
    assert fits(1, fresh.secret)


async def test_events_that_aged_out_are_told_in_the_log_and_the_rest_is_sent(post: Post) -> None:
    post.tell(1, 2, 3)
    post.database.write(lambda session: session.execute(text("delete from outbox where payload->>'n' in ('1', '2')")))
    await post.turn()
    assert [one.data["n"] for one in post.receiver.heard] == [3]
    assert [result for _, result in post.log()] == [Result.FORGOTTEN, Result.DELIVERED]


async def test_a_silent_receiver_holds_up_no_other(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    post.receiver.answers = [b"silent"]
    post.tell(1)
    async with receiving() as other:
        targets = parse_targets(f"http://127.0.0.1:{post.receiver.port},http://127.0.0.1:{other.port}")
        new = NewWebhook("other", f"http://127.0.0.1:{other.port}/", frozenset())
        post.database.write(
            lambda session: service.add(session, post.system, post.secrets, targets, post.site, "test", new)
        )
        post.tell(2)
        both = Webhooks(post.database, LocalBus(), post.system, post.secrets, targets, trust_of(None))
        await both.look()
        await other.came.wait()
        assert [one.data["n"] for one in other.heard] == [2]
        monkeypatch.setattr("server.webhooks.sending.WHOLE_SECONDS", 0.05)
        post.receiver.released.set()
        await both.settled()


async def test_an_answer_that_never_comes_times_out(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.webhooks.sending.WHOLE_SECONDS", 0.05)
    post.receiver.answers = [b"silent"]
    post.tell(1)
    await post.turn()
    assert post.log()[-1][1] is Result.TIMED_OUT


def test_a_lost_lease_moves_nothing(database: Database, system: System, site: SiteId, clock: StillClock) -> None:
    secrets, targets = secrets_from(KEY, system.ids), parse_targets("https://hooks.example")
    new = NewWebhook("erp", "https://hooks.example/in", frozenset())
    made = database.write(lambda session: service.add(session, system, secrets, targets, site, "test", new))
    assert isinstance(made, ShownSecret)
    database.write(lambda session: outbox.append(session, system, site, "alarms", {}))
    database.write(lambda session: outbox.number_waiting(session, site))
    held = database.write(lambda session: progress.claim(session, system))
    assert held is not None
    assert database.write(lambda session: progress.claim(session, system)) is None
    database.write(lambda session: service.replay(session, system, site, "test", made.id, 0))
    attempt = Attempt(Message(made.id, 10, "alarms", {}, clock.now()), Result.DELIVERED)
    assert not database.write(lambda session: progress.noted(session, system, held, attempt))
    assert database.read(lambda session: service.listed(session, site))[0].cursor < 10


def test_the_allow_list_holds_for_new_webhooks(database: Database, system: System, site: SiteId) -> None:
    secrets, targets = secrets_from(KEY, system.ids), parse_targets("https://hooks.example")
    for url in ("https://other.example/", "http://hooks.example/", "https://hooks.example:8443/"):
        new = NewWebhook("erp", url, frozenset())
        call = partial(
            service.add, system=system, secrets=secrets, targets=targets, site_id=site, actor="test", new=new
        )
        assert database.write(call) is WebhookRefusal.TARGET_NOT_ALLOWED
