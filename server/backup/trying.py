"""Trying a backup: its hashes, a restore into a temporary cluster, the invariants. Only then does it count."""

from __future__ import annotations

import shutil
from pathlib import Path

from cardcore.ids import SiteId
from server.backup import copies, manifest, repository
from server.backup.manifest import VERIFIED_FILE, Manifest, Verified
from server.backup.programs import BackupError
from server.database import Database, ReadSession, migrate
from server.embedded_cluster import EmbeddedPostgresError
from server.ledger.invariants import all_invariants
from server.policy import service as policy
from server.system import System

SCRATCH = ".trying"
MAX_PROBLEMS = 50


def verify(folder: Path, system: System) -> Verified:
    """Restore a backup beside itself, look at its books, and write down the result. Raises BackupError, kept too."""
    scratch = folder.parent / SCRATCH
    try:
        about = copies.check(folder)
        with copies.alive(folder, about, scratch) as url:
            migrate(url)
            database = Database(url)
            try:
                problems = database.read(lambda session: _problems(session, about))
            finally:
                database.close()
    except (BackupError, EmbeddedPostgresError) as error:
        manifest.write(folder, VERIFIED_FILE, Verified(system.clock.now(), (str(error),)))
        raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    result = Verified(system.clock.now(), tuple(problems[:MAX_PROBLEMS]))
    manifest.write(folder, VERIFIED_FILE, result)
    return result


def _problems(session: ReadSession, about: Manifest) -> list[str]:
    found = {facts.slug: facts for facts in repository.site_facts(session)}
    problems = []
    for before in about.sites:
        after = found.get(before.slug)
        if after is None:
            problems.append(f"site {before.slug} is missing")
            continue
        problems += [
            f"{before.slug}: {getattr(after, name)} {name}, there were {getattr(before, name)}"
            for name in ("people", "cards", "records", "transfers", "policy_version")
            if getattr(after, name) < getattr(before, name)
        ]
    for site in repository.sites(session):
        for name, violations in all_invariants(session, SiteId(site)).items():
            problems += [f"{name}: {violation.subject} {violation.detail}" for violation in violations]
        problems += policy.verify(session, SiteId(site))
    return problems
