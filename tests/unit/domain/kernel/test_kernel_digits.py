"""Digits as people type them are read the same way for every number, and never repeated when refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kumihimo.domain.kernel.digits import DASHES, INVISIBLE, compact, masked, quoted, read_digits
from kumihimo.domain.kernel.errors import Problem

WIDE = str.maketrans("0123456789", "０１２３４５６７８９")
TYPED_GAPS = st.text(alphabet=DASHES + INVISIBLE + " 　\t\u00a0", max_size=3)


@given(st.text(alphabet="0123456789", min_size=1, max_size=15), st.data())
def test_width_spaces_and_hyphens_make_no_difference(digits: str, data: st.DataObject) -> None:
    typed = "".join(data.draw(TYPED_GAPS) + (d.translate(WIDE) if data.draw(st.booleans()) else d) for d in digits)
    assert read_digits(typed, len(digits), "number.format") == digits


@given(st.text())
def test_compacting_twice_changes_nothing(text: str) -> None:
    assert compact(compact(text)) == compact(text)


@pytest.mark.parametrize("foreign", ["٣", "३", "①", "三", "O", "l", "〇"])
def test_digits_of_other_scripts_and_look_alike_letters_are_refused_by_place(foreign: str) -> None:
    with pytest.raises(Problem, match="character 3 is not a digit") as refused:
        read_digits(f"12{foreign}4", 4, "number.format", "row 8")
    assert (refused.value.code, refused.value.where) == ("number.format", "row 8")


@pytest.mark.parametrize(
    ("typed", "found"), [("", "nothing was entered"), ("- -", "nothing was entered"), ("123", "3 d")]
)
def test_a_wrong_count_of_digits_is_named(typed: str, found: str) -> None:
    with pytest.raises(Problem, match=found):
        read_digits(typed, 4, "number.format")


@given(st.text(alphabet="0123456789", min_size=9, max_size=20))
def test_a_number_typed_into_the_wrong_field_is_not_repeated(digits: str) -> None:
    assert digits not in quoted(digits)
    assert not any(character.isdigit() for character in quoted(f"No. {digits}"))


def test_what_is_not_a_number_is_repeated_but_cut() -> None:
    assert quoted("昭和50年13月1日") == "'昭和50年13月1日'"
    assert quoted("a" * 50) == f"'{'a' * 24}…'"


@pytest.mark.parametrize(
    ("digits", "shown"),
    [("621498320257", "****-****-0257"), ("12345678901", "***-****-8901"), ("123", "123"), ("", "")],
)
def test_a_mask_shows_four_digits_at_most(digits: str, shown: str) -> None:
    assert masked(digits) == shown
