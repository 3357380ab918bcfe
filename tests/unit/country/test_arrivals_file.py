"""Lists of people to be registered: every row is read or named with what is wrong in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kumihimo.country.arrivals import COLUMNS, ReadArrivals, read_arrivals
from kumihimo.domain.kernel import Problem

GOOD = "move_in,2026-10-01,山田,一郎,ヤマダ,イチロウ,昭和55年2月3日,男,東町1番,コーポ東 101"


def read(tmp_path: Path, *rows: str, encoding: str = "utf-8") -> ReadArrivals:
    file = tmp_path / "転入.csv"
    file.write_bytes(("\n".join([",".join(COLUMNS), *rows]) + "\n").encode(encoding))
    return read_arrivals(file, "x-city")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
def test_a_list_is_read_in_the_encodings_of_municipal_systems(tmp_path: Path, encoding: str) -> None:
    found = read(tmp_path, GOOD, "", encoding=encoding)
    (arrival,) = found.arrivals
    items = arrival.four_items.read()
    assert (items.name.display, items.birth.isoformat()) == ("山田　一郎", "1980-02-03")
    assert items.address.display.startswith("甲県X市東町1番")
    assert (found.lines, found.faults) == ((2,), {})


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (GOOD.replace("move_in", "moved"), "value.invalid"),
        (GOOD.replace("2026-10-01", "2026-13-01"), "date."),
        (GOOD.replace("昭和55年2月3日", "昭和55年2月30日"), "date.impossible"),
        (GOOD.replace("イチロウ", "ichiro"), "name.reading"),
        (GOOD.replace(",男,", ",?,"), "sex.unknown"),
        (GOOD.replace("東町1番", ""), "address.empty"),
        (GOOD + ",余り", "value.invalid"),
    ],
)
def test_a_row_that_cannot_be_read_is_named_by_its_line(tmp_path: Path, row: str, code: str) -> None:
    found = read(tmp_path, GOOD, row)
    assert len(found.arrivals) == 1
    assert list(found.faults) == [3]
    assert f"[{code}" in found.faults[3]


def test_a_file_that_is_no_list_is_refused_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("name,birth\n")
    with pytest.raises(Problem) as caught:
        read_arrivals(file, "x-city")
    assert caught.value.code == "file.unreadable"
    with pytest.raises(Problem):
        read_arrivals(tmp_path / "nothing.csv", "x-city")
