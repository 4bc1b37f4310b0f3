"""`onecard doctor`: looks at everything, names what is wrong and says what to do. Exit code 1 when there is trouble."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from datetime import timedelta
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from cardcore.ids import SiteId
from server.cli import checks, keeping_checks, repository
from server.cli.audit_check import check_audit
from server.cli.findings import ADVICE, Finding, Level, as_line
from server.database import Database, DatabaseUnavailableError, ReadSession
from server.embedded import embedded_postgres_url
from server.settings import Settings, unknown_variables
from server.system import System, real_system

DEFAULT_MINUTES = 10


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--json", action="store_true", help="print one JSON object a finding")
    parser.add_argument("--language", default="", choices=["", "en", "zh-CN"], help="the machine's own when left out")
    parser.add_argument(
        "--older-minutes", type=int, default=DEFAULT_MINUTES, help="name unconfirmed meals older than this"
    )


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print every finding as it comes; return 1 when one is trouble."""
    language = arguments.language or os.environ.get("LC_ALL") or os.environ.get("LANG") or "en"
    is_well = True
    for finding in examine(settings, timedelta(minutes=arguments.older_minutes)):
        is_well = is_well and finding.level is not Level.TROUBLE
        print(as_json(finding) if arguments.json else as_line(finding, language), flush=True)
    return 0 if is_well else 1


def examine(settings: Settings, older: timedelta) -> Iterator[Finding]:
    """Yield every finding; a check that fails for want of the database is one finding, not the end."""
    unknown = unknown_variables(os.environ)
    yield Finding("settings", Level.TROUBLE if unknown else Level.FINE, "; ".join(unknown))
    yield checks.check_data_dir(settings)
    yield checks.check_secrets(settings)
    yield checks.check_redis(settings)
    yield from keeping_checks.check_backup(settings, real_system())
    yield from keeping_checks.check_certificate(settings, real_system())
    url = settings.database_url or embedded_postgres_url(settings.data_dir)
    database = Database(url)
    try:
        yield from _examine_database(database, settings, older)
    except (DatabaseUnavailableError, SQLAlchemyError) as error:
        yield Finding("database", Level.TROUBLE, str(error).partition("\n")[0])
    finally:
        database.close()


def _examine_database(database: Database, settings: Settings, older: timedelta) -> Iterator[Finding]:
    system = real_system()
    findings = database.read(lambda session: list(checks.check_server(session, system)))
    yield from findings
    if any(finding.check == "schema" and finding.level is Level.TROUBLE for finding in findings):
        return
    yield from checks.check_server_key(database, settings, system)
    sites = database.read(repository.sites)
    if not sites:
        yield Finding("site", Level.NOTE, "there is none")
    for site, _slug in sites:
        yield from database.read(partial(_site_findings, site, system, older))
    yield database.read(lambda session: checks.check_outbox(session, system))
    yield database.read(keeping_checks.check_archive)
    yield from database.read(lambda session: list(keeping_checks.check_restore(session)))
    yield from database.read(lambda session: list(check_audit(session, settings, system)))


def _site_findings(site: SiteId, system: System, older: timedelta, session: ReadSession) -> list[Finding]:
    return list(checks.check_site(session, site, system, older))


def as_json(finding: Finding) -> str:
    """Return a finding as one JSON line, with both languages."""
    texts = ADVICE[finding.check]
    line = {"check": finding.check, "level": str(finding.level), "detail": finding.detail}
    if finding.level is not Level.FINE:
        line |= {"do": texts.do_en, "do_zh": texts.do_zh}
    return json.dumps(line, ensure_ascii=False)
