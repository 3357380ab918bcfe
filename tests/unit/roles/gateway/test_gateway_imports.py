"""Files from business systems: what is right is taken, and every row that is not is named with everything wrong in it."""

from __future__ import annotations

import csv
import io
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from gateway_country import TAX_2025, Case, tax_copy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kumihimo.domain.kernel import AddresseeNumber, Problem
from kumihimo.plumbing.business_files import csv_text
from kumihimo.plumbing.information_items import item_ids
from kumihimo.roles.gateway.service.imports import FAULT_COLUMNS, ImportReport, RejectedRow, read_copies

FIRST, SECOND = (AddresseeNumber.from_serial(serial).digits for serial in (1, 2))
COLUMNS = ("addressee_number", "valid_from", "valid_until", *TAX_2025)


def tax_row(number: str = FIRST, since: str = "2025-04-01", until: str = "2026-03-31", **changes: Any) -> list[str]:
    return [number, since, until, *(str(value) for value in {**TAX_2025, **changes}.values())]


def as_csv(*rows: list[str], columns: tuple[str, ...] = COLUMNS) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows([columns, *rows])
    return out.getvalue()


def read(tmp_path: Path, data: str | bytes, item: str = "local-tax", name: str = "税.csv") -> ImportReport:
    file = tmp_path / name
    file.write_bytes(data if isinstance(data, bytes) else data.encode())
    return read_copies(file, item)


def refused(tmp_path: Path, data: str | bytes, item: str = "local-tax", name: str = "a.csv") -> Problem:
    with pytest.raises(Problem) as problem:
        read(tmp_path, data, item, name)
    return problem.value


def test_a_plain_file_is_taken_whole(tmp_path: Path) -> None:
    report = read(tmp_path, as_csv(tax_row(), tax_row(SECOND)))
    assert report.accepted == (tax_copy(FIRST), tax_copy(SECOND))
    assert report.rejected == ()
    assert report.to_text() == "local-tax: 2 rows accepted, 0 rejected"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
def test_the_encodings_of_business_systems_are_read(tmp_path: Path, encoding: str) -> None:
    columns = ("addressee_number", "valid_from", "relation", "is_head", "household_size", "moved_in_from", "left_on",
               "left_reason")  # fmt: skip
    row = [FIRST, "2020-04-01", "世帯主", "有", "3", "", "", ""]
    report = read(tmp_path, as_csv(row, columns=columns).encode(encoding), "resident-record")
    (copy,) = report.accepted
    assert copy.item.valid_until is None
    assert copy.item.body == {
        "relation": "世帯主", "is_head": True, "household_size": 3,
        "moved_in_from": None, "left_on": None, "left_reason": None,
    }  # fmt: skip


def test_full_width_digits_separators_japanese_dates_and_yes_and_no_are_understood(tmp_path: Path) -> None:
    row = tax_row(
        "０００００００００００００１９",
        "令和7年4月1日",
        "R8.3.31",
        salary_gross="４，２００，０００",
        total_income="2,920,000",
        spouse_supported="無",
        assessed_on="令和七年一月一日",
    )
    assert read(tmp_path, as_csv(row)).accepted == (tax_copy(FIRST),)


def test_lists_are_json_text_in_csv(tmp_path: Path) -> None:
    doses = [{"vaccine": "bcg", "dose": 1, "given_on": "2025-05-01"}]
    columns = ("addressee_number", "valid_from", "valid_until", "doses")
    rows = [[FIRST, "2025-05-01", "", json.dumps(doses)], [SECOND, "2025-05-01", "", "[{]"]]
    report = read(tmp_path, as_csv(*rows, columns=columns), "vaccination")
    (copy,) = report.accepted
    assert copy.item.body == {"doses": doses}
    assert report.rejected == (RejectedRow(3, "doses", "found string", "array"),)


def test_every_bad_row_is_reported_with_everything_wrong_in_it_and_the_others_are_taken(tmp_path: Path) -> None:
    rows = [
        tax_row(),
        tax_row("000000000000018", "2025-02-30", total_income="much", dependants="-1"),
        tax_row(SECOND, until="2025-03-31"),
        [*tax_row(SECOND), "one too many"],
        tax_row(SECOND),
        tax_row(SECOND),
        tax_row(SECOND, since="", assessed_on=""),
    ]
    report = read(tmp_path, as_csv(*rows))
    assert report.accepted == (tax_copy(FIRST), tax_copy(SECOND))
    assert [(fault.line, fault.field) for fault in report.rejected] == [
        (3, "addressee_number"),
        (3, "valid_from"),
        (3, "dependants"),
        (3, "total_income"),
        (4, "valid_until"),
        (5, ""),
        (7, "valid_from"),
        (8, "valid_from"),
        (8, "assessed_on"),
    ]
    assert report.rejected_rows == 5
    assert report.to_text().splitlines()[3] == "税.csv:3: total_income: found string, expected integer"
    assert list(csv.reader(io.StringIO(csv_text(FAULT_COLUMNS, report.fault_rows()))))[1][:2] == [
        "3",
        "addressee_number",
    ]
    assert "much" not in report.to_text()


def test_lines_are_counted_as_an_editor_counts_them(tmp_path: Path) -> None:
    columns = ("addressee_number", "valid_from", "doses")
    spread = json.dumps([{"vaccine": "bcg", "dose": 1, "given_on": "2025-05-01"}], indent=1)
    rows = [[FIRST, "2025-05-01", spread], ["", "2025-05-01", "[]"]]
    text = as_csv(*rows, columns=columns)
    report = read(tmp_path, text, "vaccination")
    assert len(report.accepted) == 1
    assert {fault.line for fault in report.rejected} == {2 + spread.count("\n") + 1}


def test_json_is_read_as_a_list_or_by_lines(tmp_path: Path) -> None:
    rows = [
        {"addressee_number": number, "valid_from": "2025-04-01", "valid_until": "2026-03-31", **TAX_2025}
        for number in (FIRST, SECOND)
    ]
    as_list = read(tmp_path, json.dumps(rows), name="a.json")
    by_line = read(tmp_path, "\n".join(map(json.dumps, rows)) + "\n\n", name="a.jsonl")
    assert as_list.accepted == by_line.accepted == (tax_copy(FIRST), tax_copy(SECOND))


def test_bad_rows_of_json_are_reported_by_number(tmp_path: Path) -> None:
    good = {"addressee_number": FIRST, "valid_from": "2025-04-01", "valid_until": "2026-03-31", **TAX_2025}
    lines = [good, {**good, "addressee_number": SECOND, "total_income": 1.5}, 7]
    by_line = read(tmp_path, "\n".join(map(json.dumps, lines)) + "\n{oops", name="a.ndjson")
    assert by_line.accepted == (tax_copy(FIRST),)
    assert [(fault.line, fault.field) for fault in by_line.rejected] == [(2, "total_income"), (3, ""), (4, "")]
    as_list = read(tmp_path, json.dumps(lines), name="a.json")
    assert [(fault.line, fault.field) for fault in as_list.rejected] == [(2, "total_income"), (3, "")]


def test_a_file_that_cannot_be_read_as_a_whole_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(Problem) as missing:
        read_copies(tmp_path / "none.csv", "local-tax")
    assert missing.value.code == "file.unreadable"
    for data, name in (
        (b"\xff\xfe\x00\x81", "a.csv"),
        (b"", "a.csv"),
        (b"name,income\n", "a.csv"),
        (b"addressee_number,valid_from,valid_from\n", "a.csv"),
        (b"[1,", "a.json"),
        (b"", "a.xlsx"),
    ):
        problem = refused(tmp_path, data, name=name)
        assert (problem.code, problem.where) == ("file.unreadable", name)
    assert refused(tmp_path, as_csv(), "library-loans").code == "item.unknown"


def test_an_unknown_column_is_named(tmp_path: Path) -> None:
    problem = refused(tmp_path, as_csv(columns=(*COLUMNS, "nickname")))
    assert "nickname" in problem.detail


def test_a_row_cannot_carry_an_individual_number_in_place_of_the_addressee_number(tmp_path: Path) -> None:
    report = read(tmp_path, as_csv(tax_row("123456789018")))
    assert report.accepted == ()
    assert [fault.field for fault in report.rejected] == ["addressee_number"]
    assert "123456789018" not in report.to_text() + csv_text(FAULT_COLUMNS, report.fault_rows())


def test_what_was_read_can_be_placed_and_provided(case: Case, tmp_path: Path) -> None:
    report = read(tmp_path, as_csv(tax_row(case.at_y, total_income="3,000,000")))
    assert case.y.put(*report.accepted).placed == 1
    (item,) = case.x.inquire(case.at_x).items
    assert item.body["total_income"] == 3_000_000
    assert item.valid_from == date(2025, 4, 1)


def test_the_exchange_checks_again_what_a_desk_hands_over(case: Case) -> None:
    good, bad = tax_copy(case.at_y, 2024), tax_copy(case.at_y, 2023, total_income="much")
    typed = tax_copy("123456789018", 2022)
    backwards = tax_copy(case.at_y, 2021)
    item = backwards.item.model_copy(update={"valid_until": date(2020, 1, 1)})
    backwards = backwards.model_copy(update={"item": item})
    placed = case.y.put(good, bad, typed, backwards)
    assert placed.placed == 1
    assert [(one.position, one.code) for one in placed.rejected] == [
        (1, "copy.invalid"),
        (2, "addressee_number.format"),
        (3, "copy.invalid"),
    ]
    assert "much" not in placed.model_dump_json()
    assert "123456789018" not in placed.model_dump_json()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(max_size=200), st.sampled_from(item_ids()), st.sampled_from(("a.csv", "a.json", "a.jsonl")))
def test_no_file_whatever_it_holds_gives_anything_but_copies_faults_or_a_clear_refusal(
    tmp_path: Path, text: str, item: str, name: str
) -> None:
    outcome = "copies and faults"
    try:
        assert read(tmp_path, text.encode("utf-8", "surrogatepass"), item, name).accepted == ()
    except Problem as problem:
        outcome = problem.code
    assert outcome in ("copies and faults", "file.unreadable")


@given(row=st.lists(st.text(max_size=12), min_size=len(COLUMNS), max_size=len(COLUMNS)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_row_of_anything_never_spoils_the_row_beside_it(tmp_path: Path, row: list[str]) -> None:
    text = as_csv(tax_row(), [cell.replace("\x00", "") for cell in row])
    report = read(tmp_path, text.encode("utf-8", "surrogatepass").decode("utf-8", "replace"))
    assert report.accepted == (tax_copy(FIRST),)
