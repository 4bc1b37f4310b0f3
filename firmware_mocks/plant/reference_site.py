"""The reference site's devices: 10 card lanes, the registration lane, the vehicle lane, 4 tills, one scanner.

Only the layout; keys are drawn from the randomness given.
"""

from __future__ import annotations

from pathlib import Path

from firmware_mocks.plant.cards import CARD_COUNT
from firmware_mocks.plant.plant_file import SCBK_BYTES, PlantFile, ReaderEntry, ReaderKind, ScannerEntry
from firmware_mocks.system import RandomBytes

CARD_LANES = 10
READERS_A_BUS = 2
"""Adjacent turnstiles share a bus by twos, no more (practice for RS-485 lanes)."""
TILLS = 4


def reference_plant(state_dir: Path, control: Path, random_bytes: RandomBytes) -> PlantFile:
    """Return the reference site with a fresh key a reader."""
    places = [
        (f"g{lane:02d}", f"gate{(lane - 1) // READERS_A_BUS + 1}", (lane - 1) % READERS_A_BUS, ReaderKind.TURNSTILE)
        for lane in range(1, CARD_LANES + 1)
    ]
    places.append(("r01", "registration", 0, ReaderKind.TURNSTILE))
    places.append(("v01", "vehicle", 0, ReaderKind.BARRIER))
    places.extend((f"t{till:02d}", f"till{till}", 0, ReaderKind.TILL) for till in range(1, TILLS + 1))
    return PlantFile(
        control=control,
        state_dir=state_dir,
        readers=tuple(ReaderEntry(*place, scbk=random_bytes(SCBK_BYTES)) for place in places),
        scanners=(ScannerEntry("r01-qr", "r01-qr"),),
        cards=CARD_COUNT,
    )
