"""`onecard webhook`: where events are sent, how it goes, test messages, new secrets, sending again."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from uuid import UUID

from cardcore.ids import SiteId
from server.cli.opened import CLI_ACTOR, Opened
from server.cli.site_state import on_site, told
from server.database import WriteSession
from server.outbox.events import Topic
from server.secrets_file import ServerSecrets, load_secrets
from server.settings import Settings
from server.webhooks import service
from server.webhooks.models import WebhookRefusal, WebhookView
from server.webhooks.service import NewWebhook, ShownSecret
from server.webhooks.targets import parse_targets

ADVICE = {
    "not_found": "there is no such webhook: onecard webhook list shows them",
    "name_unusable": "give it a visible name of at most 64 characters",
    "name_taken": "another webhook has this name",
    "target_not_allowed": "this address is not allowed: add its https://HOST[:PORT] to ONECARD_WEBHOOK_TARGETS"
    " on the server and restart it",
    "too_many": "a site has at most 20 webhooks: remove one",
    "not_kept": "events after this id are not kept: 0 means the oldest that are",
}
SHOWN_ONCE = "secret, shown this once: "
DEEDS: dict[str, Callable[..., WebhookRefusal | None]] = {
    "pause": service.pause,
    "resume": service.resume,
    "remove": service.remove,
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="list the webhooks and how far each got")
    add = actions.add_parser("add", help="send events to an address from now on; prints the secret once")
    add.add_argument("name")
    add.add_argument("url")
    add.add_argument("--topic", action="append", default=[], choices=[topic.value for topic in Topic])
    texts = {
        "pause": "send nothing more for now",
        "resume": "go on after the last event that was delivered",
        "remove": "remove it with its secret and log",
        "rotate": "give a new secret; the old one signs too for 24 hours",
        "ping": "send a test message; the running server does it within a second",
        "log": "list the attempts of the last week",
    }
    for name, text in texts.items():
        actions.add_parser(name, help=text).add_argument("name")
    replay = actions.add_parser("replay", help="send again whatever came after an event")
    replay.add_argument("name")
    replay.add_argument("--after", type=int, required=True, metavar="ID", help="0: everything that is kept")
    parser.add_argument("--site", default="", help="the site's short name, where there are several")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Carry out one action."""
    return on_site(arguments, settings, lambda found, site: _act(arguments, settings, found, site))


def _act(arguments: argparse.Namespace, settings: Settings, found: Opened, site: SiteId) -> int:
    views = found.database.read(lambda session: service.listed(session, site))
    if arguments.action == "list":
        for view in views:
            print(_line(view))
        return 0
    secrets = load_secrets(settings.data_dir, found.system.ids)
    if arguments.action == "add":
        return _add(arguments, settings, secrets, found, site)
    named = next((view.id for view in views if view.name == arguments.name), None)
    if named is None:
        return told(WebhookRefusal.NOT_FOUND, ADVICE, "")
    return _on_one(arguments, secrets, found, site, named)


def _on_one(arguments: argparse.Namespace, secrets: ServerSecrets, found: Opened, site: SiteId, one: UUID) -> int:
    match arguments.action:
        case "log":
            for line in found.database.read(lambda session: service.deliveries(session, one)):
                number = "ping" if line.number is None else line.number
                print(f"{line.at:%Y-%m-%d %H:%M:%S}  {number}  {line.result}  {line.status or '-'}  {line.took_ms} ms")
            return 0
        case "rotate":
            return _secret(
                found.database.write(
                    lambda session: service.rotate(session, found.system, secrets, site, CLI_ACTOR, one)
                )
            )
        case "replay":
            after = arguments.after
            done = found.database.write(
                lambda session: service.replay(session, found.system, site, CLI_ACTOR, one, after)
            )
        case "ping":
            done = found.database.write(lambda session: service.ping(session, found.system, site, one))
        case deed:
            call = DEEDS[deed]

            def write(session: WriteSession) -> WebhookRefusal | None:
                return call(session, found.system, site, CLI_ACTOR, one)

            done = found.database.write(write)
    return told(done, ADVICE, f"{arguments.name}: {arguments.action}")


def _add(arguments: argparse.Namespace, settings: Settings, secrets: ServerSecrets, found: Opened, site: SiteId) -> int:
    new = NewWebhook(arguments.name, arguments.url, frozenset(Topic(topic) for topic in arguments.topic))
    targets = parse_targets(settings.webhook_targets)
    return _secret(
        found.database.write(lambda session: service.add(session, found.system, secrets, targets, site, CLI_ACTOR, new))
    )


def _secret(made: ShownSecret | WebhookRefusal) -> int:
    if isinstance(made, WebhookRefusal):
        return told(made, ADVICE, "")
    print(SHOWN_ONCE, file=sys.stderr, end="", flush=True)
    print(made.secret)
    return 0


def _line(view: WebhookView) -> str:
    topics = ",".join(view.topics) or "all"
    last = f"{view.delivered_at:%Y-%m-%d %H:%M:%S}" if view.delivered_at else "never"
    failing = f"  failed {view.failures} times since {view.failing_since:%Y-%m-%d %H:%M}" if view.failing_since else ""
    return f"{view.name:20} {view.state:8} {view.url}  {topics}  at {view.cursor}, last {last}{failing}"
