"""`onecard-mock virtual-card`: one virtual card in a virtual PC/SC reader, until it is stopped or torn away.

Prints what a reader must find on the card. Holds no rule of any card.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from firmware_mocks.virtual_card.card import VirtualCard
from firmware_mocks.virtual_card.desfire.card import DesfireCard
from firmware_mocks.virtual_card.desfire.memory import from_document, to_document
from firmware_mocks.virtual_card.misbehaving import RubbishCard, SilentCard, TornCard
from firmware_mocks.virtual_card.pkoc_card import Forgery, PkocCard
from firmware_mocks.virtual_card.pkoc_v2_card import PkocV2Card
from firmware_mocks.virtual_card.uid_card import UidCard
from firmware_mocks.virtual_card.vpcd_link import DEFAULT_PORT, VpcdLink, connect_to

TORN_AFTER_BYTES = 20
UNREACHABLE = 1

KINDS: dict[str, Callable[[int], VirtualCard]] = {
    "pkoc": PkocCard,
    "uid": lambda seed: UidCard(seed.to_bytes(7, "big")),
    "torn": lambda seed: TornCard(PkocCard(seed), TORN_AFTER_BYTES),
    "rubbish": RubbishCard,
    "silent": lambda _seed: SilentCard(),
    "pkoc-v2": PkocV2Card,
    "desfire": lambda seed: DesfireCard(serial_number(seed)),
    "desfire-ev1": lambda seed: DesfireCard(serial_number(seed), generation=1),
    "desfire-factory": lambda seed: DesfireCard(serial_number(seed), factory="iso"),
    "desfire-lrp": lambda seed: DesfireCard(serial_number(seed), lrp=True),
    "wrong-signature": lambda seed: PkocCard(seed, forgery=Forgery.OTHER_MESSAGE),
}


def serial_number(seed: int) -> bytes:
    """Return the 7-byte serial number of the DESFire card numbered `seed`."""
    return b"\x04" + (seed % (1 << 48)).to_bytes(6, "big")


def main(argv: Sequence[str]) -> int:
    """Insert the card and serve it; 0 when the reader closed or on Ctrl-C, 1 when there is no reader."""
    arguments = _parser().parse_args(argv)
    card = KINDS[arguments.kind](arguments.seed)
    credential = getattr(card, "credential", "blank until it is issued" if isinstance(card, DesfireCard) else "none")
    memory: Path | None = arguments.memory
    try:
        if isinstance(card, DesfireCard) and memory is not None and memory.exists():
            card.applications = from_document(json.loads(memory.read_text(encoding="utf-8")))
            card.power_on()
        link = VpcdLink(card, connect_to(arguments.host, arguments.port))
        sys.stdout.write(f"{arguments.kind} card {arguments.seed}: {credential}\n")
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            link.run()
        if isinstance(card, DesfireCard) and memory is not None:
            memory.write_text(json.dumps(to_document(card.applications)) + "\n", encoding="utf-8")
    except OSError as error:
        where = f"{arguments.host}:{arguments.port}"
        sys.stderr.write(
            f"no virtual reader at {where} ({error}): install vsmartcard-vpcd and start pcscd\n"
            f"{where} 没有虚拟读卡器：请安装 vsmartcard-vpcd 并启动 pcscd\n"
        )
        return UNREACHABLE
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="onecard-mock virtual-card", description=__doc__)
    parser.add_argument("--kind", choices=sorted(KINDS), default="pkoc", help="what the card is · 卡片类型")
    parser.add_argument("--seed", type=_seed, default=1, help="decides its key or serial · 决定密钥或卡号")
    parser.add_argument("--memory", type=Path, help="file that keeps a DESFire card's content · 保存卡内容的文件")
    parser.add_argument("--host", default="127.0.0.1", help="where the virtual reader listens · 虚拟读卡器地址")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="port of the slot · 卡槽端口")
    return parser


def _seed(text: str) -> int:
    number = int(text)
    if not 0 < number < 1 << 56:
        msg = "a seed is 1..2**56-1"
        raise argparse.ArgumentTypeError(msg)
    return number
