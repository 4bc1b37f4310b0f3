"""A plant file is read whole or refused with the field that is wrong."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from firmware_mocks.plant.plant_file import PlantFileError, load_plant_file, parse_plant, plant_document
from firmware_mocks.plant.reference_site import reference_plant

KEY = "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"


def a_document(**changes: object) -> dict[str, Any]:
    reader = {"name": "g01", "bus": "gate1", "address": 0, "kind": "turnstile", "scbk": KEY}
    document = {"control": "/tmp/p.sock", "state_dir": "/tmp/p", "readers": [reader], "scanners": []}  # noqa: S108
    return document | changes


def a_reader(**changes: object) -> dict[str, Any]:
    return {"name": "g02", "bus": "gate1", "address": 1, "kind": "till", "scbk": None} | changes


def test_the_reference_site_is_what_the_sheet_says() -> None:
    plant = reference_plant(Path("/s"), Path("/s/c"), random.Random(1).randbytes)
    lanes = [each for each in plant.readers if each.name.startswith("g")]
    assert [each.name for each in lanes] == [f"g{number:02d}" for number in range(1, 11)]
    assert len({each.bus for each in lanes}) == 5
    assert len(plant.buses) == 5 + 1 + 1 + 4
    assert [each.name for each in plant.readers if each.kind == "till"] == ["t01", "t02", "t03", "t04"]
    assert [each.name for each in plant.readers if each.kind == "barrier"] == ["v01"]
    assert len({each.scbk for each in plant.readers}) == 16
    assert plant.cards == 3_837


def test_a_document_read_back_is_the_same_plant(tmp_path: Path) -> None:
    plant = reference_plant(tmp_path, tmp_path / "c", random.Random(1).randbytes)
    path = tmp_path / "plant.json"
    path.write_text(json.dumps(plant_document(plant)), encoding="utf-8")
    assert load_plant_file(path) == plant


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ([], "plant file"),
        ({"control": "c", "state_dir": "s"}, "readers is missing"),
        (a_document(colour=1), "colour is unknown"),
        (a_document(readers={}), "readers"),
        (a_document(readers=[], scanners=[]), "needs a reader or a scanner"),
        (a_document(cards=0), "cards"),
        (a_document(control="c" * 200), "control"),
        (a_document(state_dir=7), "state_dir"),
        (a_document(readers=[a_reader(address=0x7F)]), r"readers\[0\].address"),
        (a_document(readers=[a_reader(address=True)]), r"readers\[0\].address"),
        (a_document(readers=[a_reader(kind="door")]), r"readers\[0\].kind"),
        (a_document(readers=[a_reader(scbk="00")]), r"readers\[0\].scbk"),
        (a_document(readers=[a_reader(name="../x")]), r"readers\[0\].name"),
        (a_document(readers=[a_reader(install_mode=1)]), r"readers\[0\].install_mode"),
        (a_document(readers=[a_reader(), a_reader(address=2)]), "name 'g02' is used twice"),
        (a_document(readers=[a_reader(), a_reader(name="g03")]), "bus and address"),
        (a_document(readers=[a_reader(scbk=KEY), a_reader(name="g03", address=2, scbk=KEY)]), "its own key"),
        (a_document(scanners=[{"name": "s", "port": "gate1"}]), "port 'gate1' is used twice"),
        (a_document(scanners=["s"]), r"scanners\[0\]"),
    ],
)
def test_a_wrong_field_is_named(document: object, named: str) -> None:
    with pytest.raises(PlantFileError, match=named):
        parse_plant(document)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]"])
def test_a_file_that_is_no_plant_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "plant.json"
    path.write_bytes(content)
    with pytest.raises(PlantFileError):
        load_plant_file(path)
    with pytest.raises(PlantFileError):
        load_plant_file(tmp_path / "missing.json")
