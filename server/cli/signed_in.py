"""Who acts on the command line where it matters which person: a login and its password, as on the pages."""

from __future__ import annotations

import argparse
import getpass
import sys

from cardcore.ids import SiteId, StaffId
from server.cli.opened import Opened
from server.staff.passwords import Passwords
from server.staff.sign_in import SignIn

ADDRESS = "command-line"


def add_login(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add the options that say who acts."""
    parser.add_argument("--as", dest="login", required=required, default="", metavar="LOGIN", help="who does it")
    parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")


def signed_in(arguments: argparse.Namespace, found: Opened, site: SiteId) -> StaffId | None:
    """Ask for the password and return the login's staff; None, with a line why, when it does not fit."""
    prompt = f"Password for {arguments.login}: "
    password = sys.stdin.readline().rstrip("\n") if arguments.password_stdin else getpass.getpass(prompt)
    result = SignIn(found.database, found.system, site, Passwords(found.system.ids)).verify(
        arguments.login, password, ADDRESS
    )
    if result.staff is None:
        print("onecard: login or password is wrong, or there were too many tries", file=sys.stderr)
        return None
    return result.staff.id
