"""The messages of an encoder survive the wire, and a peer that does not know them counts them and goes on."""

from __future__ import annotations

import pytest

from cardcore.wire import codec
from cardcore.wire.messages import Encode, EncoderCard, EncoderClose, EncoderDone, EncoderOpen, EncoderStep

JOB = "01890000-0000-7000-8000-000000000001"
UID = bytes.fromhex("04782E21801D80")


@pytest.mark.parametrize(
    "message",
    [
        EncoderOpen(JOB, "desk"),
        EncoderClose("desk"),
        Encode(JOB, UID, (("gate", bytes(106)),), (("gate_read", 1),), overwrite=True),
        Encode(JOB, UID, refusal="card_in_use"),
    ],
)
def test_to_the_daemon(message: EncoderOpen | EncoderClose | Encode) -> None:
    assert codec.decode_for_daemon(codec.encode(message)) == message


@pytest.mark.parametrize(
    "message",
    [
        EncoderCard(JOB, UID),
        EncoderStep(JOB, "gate"),
        EncoderDone(JOB, UID, "made", "", ("gate_read",), was_torn=True),
    ],
)
def test_to_the_server(message: EncoderCard | EncoderStep | EncoderDone) -> None:
    assert codec.decode_for_server(codec.encode(message)) == message
