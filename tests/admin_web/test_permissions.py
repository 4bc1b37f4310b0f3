"""The published table of who may ask for what is that of the routes; REST has no open address."""

from __future__ import annotations

from pathlib import Path

from admin_web.permissions import document
from server.staff.roles import Role

PUBLISHED = Path(__file__).parents[2] / "docs" / "permissions.md"


def test_the_published_table_is_that_of_the_routes() -> None:
    assert PUBLISHED.read_text(encoding="utf-8") == document(), "python -m admin_web.permissions > docs/permissions.md"


def test_rest_has_no_address_without_a_permission() -> None:
    rest = document().partition("## REST")[2]
    assert "/api/v1/" in rest
    assert "○" not in rest


def test_the_lobby_and_the_sign_in_are_open_and_the_audit_trail_is_the_auditors() -> None:
    rows = {line.split("`")[1]: line for line in document().splitlines() if line.startswith("| `")}
    assert "○" in rows["GET /public/lobby"]
    assert rows["GET /audit"].count("●") == 1
    auditor = [str(role) for role in Role].index("auditor")
    assert rows["GET /audit"].split("|")[2 + auditor].strip() == "●"
