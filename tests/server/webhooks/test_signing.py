"""Signatures are those of Standard Webhooks: its published example, two secrets side by side, any altered byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.system import System
from server.webhooks.models import LONGEST_WAIT, wait_after
from server.webhooks.signing import new_secret, signature, signed_headers

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE = "msg_p5jXN8AQM9LWM0D4loKWxJek"
AT = 1614265330
BODY = b'{"test": 2432232314}'


def test_a71_the_published_example_of_the_scheme() -> None:
    assert signature(SECRET, MESSAGE, AT, BODY) == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_rotated_secret_signs_beside_the_new_one(system: System) -> None:
    fresh = new_secret(system.ids)
    headers = signed_headers([fresh, SECRET], MESSAGE, AT, BODY)
    assert headers["webhook-signature"].split(" ") == [
        signature(fresh, MESSAGE, AT, BODY), signature(SECRET, MESSAGE, AT, BODY),
    ]  # fmt: skip
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == (MESSAGE, str(AT))


@pytest.mark.parametrize("changed", [("other", AT, BODY), (MESSAGE, AT + 1, BODY), (MESSAGE, AT, BODY + b" ")])
def test_any_change_of_id_time_or_body_changes_the_signature(changed: tuple[str, int, bytes]) -> None:
    assert signature(SECRET, *changed) != signature(SECRET, MESSAGE, AT, BODY)


@given(st.integers(1, 10_000), st.integers(0, 255))
def test_waits_grow_to_an_hour_and_no_further(failures: int, jitter: int) -> None:
    wait = wait_after(failures, jitter)
    assert wait <= min(LONGEST_WAIT, wait_after(failures, 0))
    assert wait >= wait_after(failures, 0) * 9 // 10
    assert wait_after(failures + 1, 0) >= wait_after(failures, 0)
