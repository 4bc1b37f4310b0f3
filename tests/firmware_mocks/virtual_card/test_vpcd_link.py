"""The link to the virtual reader: framing, controls, and the connection closed whatever a card does."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from firmware_mocks.virtual_card import cli
from firmware_mocks.virtual_card.card import VirtualCard
from firmware_mocks.virtual_card.misbehaving import SilentCard, TornCard
from firmware_mocks.virtual_card.pkoc_card import PkocCard
from firmware_mocks.virtual_card.vpcd_link import VpcdLink, connect_to

SELECT = bytes.fromhex("00A4040008A00000089800000100")
WAIT_SECONDS = 10.0


class Reader:
    """The driver's end: listens, speaks the protocol with length and body in two sends, as the driver does."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(WAIT_SECONDS)
        self.port: int = self._listener.getsockname()[1]
        self._card: socket.socket | None = None

    def accept(self) -> None:
        self._card, _ = self._listener.accept()
        self._card.settimeout(WAIT_SECONDS)

    @property
    def card(self) -> socket.socket:
        assert self._card is not None
        return self._card

    def send(self, message: bytes) -> None:
        self.card.sendall(len(message).to_bytes(2, "big"))
        self.card.sendall(message)

    def receive(self) -> bytes | None:
        head = self._exactly(2)
        return None if head is None else self._exactly(int.from_bytes(head, "big"))

    def _exactly(self, count: int) -> bytes | None:
        data = b""
        while len(data) < count:
            part = self.card.recv(count - len(data))
            if not part:
                return None
            data += part
        return data

    def close(self) -> None:
        if self._card is not None:
            self._card.close()
        self._listener.close()


@pytest.fixture
def reader() -> Iterator[Reader]:
    made = Reader()
    yield made
    made.close()


def inserted(reader: Reader, card: VirtualCard) -> VpcdLink:
    link = VpcdLink(card, connect_to("127.0.0.1", reader.port))
    link.insert()
    reader.accept()
    return link


def test_commands_and_controls(reader: Reader) -> None:
    card = PkocCard(1)
    link = inserted(reader, card)
    for control in (b"\x00", b"\x01", b"\x02"):
        reader.send(control)
    reader.send(b"\x04")
    assert reader.receive() == card.atr
    reader.send(SELECT)
    assert reader.receive() == bytes.fromhex("5C0201009000")
    assert link.commands == 1
    link.remove()
    assert reader.receive() is None


def test_reset_forgets_the_selection(reader: Reader) -> None:
    link = inserted(reader, PkocCard(1))
    reader.send(SELECT)
    reader.receive()
    reader.send(b"\x02")
    reader.send(bytes.fromhex("8080000100"))
    assert reader.receive() == bytes.fromhex("6985")
    link.remove()


@pytest.mark.parametrize("message", [b"\x60", b"\x03", b"\xff", b""])
def test_one_byte_that_is_no_control_is_answered(reader: Reader, message: bytes) -> None:
    link = inserted(reader, PkocCard(1))
    reader.send(message)
    assert reader.receive() == bytes.fromhex("6700")
    link.remove()


def test_torn_card_closes_the_connection(reader: Reader) -> None:
    link = inserted(reader, TornCard(PkocCard(1), 3))
    reader.send(SELECT)
    assert reader.receive() is None
    link.remove()


def test_card_with_a_fault_closes_the_connection(reader: Reader) -> None:
    class Broken(PkocCard):
        def answer(self, command: bytes) -> bytes:
            raise OSError

    link = inserted(reader, Broken(1))
    reader.send(SELECT)
    assert reader.receive() is None
    link.remove()


def test_silent_card_answers_nothing_and_can_be_removed(reader: Reader) -> None:
    card = SilentCard()
    link = inserted(reader, card)
    reader.send(SELECT)
    assert card.asked.wait(WAIT_SECONDS)
    link.remove()
    assert reader.receive() is None


def test_command_line_without_a_reader_says_what_to_do(reader: Reader, capsys: pytest.CaptureFixture[str]) -> None:
    reader.close()
    assert cli.main(["--kind", "pkoc", "--seed", "1", "--port", str(reader.port)]) == 1
    said = capsys.readouterr().err
    assert "vsmartcard-vpcd" in said
    assert "虚拟读卡器" in said


@pytest.mark.parametrize("kind", sorted(cli.KINDS))
def test_command_line_inserts_every_kind(reader: Reader, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    card = cli.KINDS[kind](7)
    assert card.atr[0] == 0x3B
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VpcdLink, "run", lambda link: link._connect().close())
        assert cli.main(["--kind", kind, "--seed", "7", "--port", str(reader.port)]) == 0
    assert capsys.readouterr().out.startswith(f"{kind} card 7: ")


@pytest.mark.parametrize("seed", ["0", "-1", str(1 << 56), "x"])
def test_command_line_refuses_a_seed_out_of_range(seed: str) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--seed", seed])
