"""The four items: kept as registered, compared after normalisation, printed masked, refused field by field."""

import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kumihimo.domain.kernel.addresses import (
    Address,
    address_key,
    completed_local_government_code,
    local_government_code,
)
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.names import PersonName, katakana
from kumihimo.domain.kernel.person import FourItems, Sex
from kumihimo.domain.kernel.text import comparable

HANAKO = FourItems(
    PersonName("総務", "花子", "ソウム", "ハナコ"),
    Address("甲県", "X市", "中央一丁目2番3号", "コーポ組紐101"),
    date(1975, 1, 1),
    Sex.FEMALE,
)
KANA = st.text(
    alphabet=[chr(c) for c in range(0x3041, 0x3097)] + [chr(c) for c in range(0x30A1, 0x30FB)] + ["ー"], min_size=1
)
WRITING = st.text(alphabet="総務花子髙﨑ＡBc鈴木々ノ", min_size=1, max_size=6)
ADDRESS_TEXT = st.text(alphabet="甲県中央町丁目番地号室のノー-－−0123４５一二三十コポ ABａ", max_size=24)


def refusal(data: object) -> Problem:
    with pytest.raises(Problem) as refused:
        FourItems.from_dict(data)
    return refused.value


@pytest.mark.parametrize("reading", ["そうむ　はなこ", "ソウム ハナコ", "ｿｳﾑ ﾊﾅｺ", "ソウム　　ハナコ "])
def test_readings_are_kept_in_full_width_katakana(reading: str) -> None:
    name = PersonName.from_full("総務　花子", reading)
    assert (name.family, name.given, name.reading) == ("総務", "花子", "ソウム　ハナコ")
    assert name.display == "総務　花子"


@pytest.mark.parametrize(
    ("typed", "kept"), [("ｶﾞｷﾞｸﾞﾊﾟ", "ガギグパ"), ("か\u3099ゔ", "ガヴ"), ("ｼﾞｮｰﾝ", "ジョーン"), ("クㇽ", "クㇽ")]
)
def test_voiced_marks_join_their_kana(typed: str, kept: str) -> None:
    assert katakana(typed) == kept


@given(KANA)
def test_every_kana_is_a_reading_and_converting_twice_changes_nothing(reading: str) -> None:
    assert katakana(katakana(reading)) == katakana(reading)
    assert not any("ぁ" <= character <= "ゖ" for character in katakana(reading))


@pytest.mark.parametrize("reading", ["総務", "Soumu", "ソウム1", "ソ-ム"])
def test_a_reading_that_is_not_kana_is_refused(reading: str) -> None:
    with pytest.raises(Problem) as refused:
        PersonName("総務", "花子", reading, "ハナコ")
    assert (refused.value.code, refused.value.where) == ("name.reading", "family_kana")


def test_a_reading_is_known_for_the_whole_name_or_not_at_all() -> None:
    assert PersonName("総務", "花子").reading == ""
    with pytest.raises(Problem, match="a name without its reading"):
        PersonName("総務", "花子", "", "ハナコ")
    with pytest.raises(Problem, match="a reading without its name"):
        PersonName("", "花子", "ソウム", "ハナコ")


def test_somebody_may_have_one_name_only() -> None:
    name = PersonName.from_full("SUHARTO", "スハルト")
    assert (name.family, name.display, name.reading) == ("", "SUHARTO", "スハルト")


def test_further_names_follow_the_family_name() -> None:
    name = PersonName.from_full("SMITH JOHN WILLIAM", "スミス ジョン ウィリアム")
    assert (name.family, name.given) == ("SMITH", "JOHN WILLIAM")
    assert name.key() == PersonName.from_full("Ｓｍｉｔｈ　Ｊｏｈｎ　Ｗｉｌｌｉａｍ").key()
    assert name.reading_key() == "スミスジョンウィリアム"


@pytest.mark.parametrize("given_name", ["", "　", "\u200b"])
def test_a_name_without_characters_is_refused(given_name: str) -> None:
    with pytest.raises(Problem) as refused:
        PersonName("総務", given_name)
    assert (refused.value.code, refused.value.where) == ("name.empty", "given")


def test_glyph_variants_do_not_count_but_old_shapes_do() -> None:
    assert PersonName("葛\U000e0100城", "花").key() == PersonName("葛城", "花").key()
    assert PersonName("髙橋", "花").key() != PersonName("高橋", "花").key()


@pytest.mark.parametrize("odd", ["花\x00子", "花\ud800子", "花" * 201])
def test_text_that_no_store_can_keep_is_refused(odd: str) -> None:
    with pytest.raises(Problem) as refused:
        PersonName("総務", odd)
    assert (refused.value.code, refused.value.where) == ("value.invalid", "given")


def test_characters_of_a_citys_own_making_are_kept() -> None:
    assert PersonName("総務", "花\ue000").given == "花\ue000"


@given(st.text())
def test_normalising_a_name_twice_changes_nothing(text: str) -> None:
    assert comparable(comparable(text)) == comparable(text)


@given(st.text() | ADDRESS_TEXT)
def test_normalising_an_address_twice_changes_nothing(text: str) -> None:
    assert address_key(address_key(text)) == address_key(text)


@pytest.mark.parametrize(
    "written",
    [
        "中央1丁目2番3号",
        "中央一丁目２番３号",
        "中央１－２－３",
        "中央1ー2ー3",
        "中央1−2−3",
        "中央 1丁目 2番地 3",
        "中央1丁目2番地の3",
        "中央1-2の3",
    ],
)
def test_one_address_written_in_several_ways_has_one_key(written: str) -> None:
    assert Address("甲県", "X市", written).key() == Address("甲県", "Ｘ市", "中央1-2-3").key()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("中央1-2", "中央12"),
        ("中央1-23", "中央12-3"),
        ("一番町5", "町5"),
        ("中央1番町5", "中央1町5"),
        ("中央1-2 3号室", "中央1-2-3室"),
        ("中央十一丁目1", "中央一丁目1"),
    ],
)
def test_different_addresses_keep_different_keys(one: str, other: str) -> None:
    assert Address("甲県", "X市", one).key() != Address("甲県", "X市", other).key()


def test_a_building_is_the_same_in_its_field_or_behind_the_lines() -> None:
    apart = Address("甲県", "X市", "中央1番2号", "コーポ組紐101")
    together = Address("甲県", "X市", "中央1番2号コーポ組紐101")
    assert apart.key() == together.key()
    assert Address("甲県", "X市", "中央1-2", "101").key() != Address("甲県", "X市", "中央1-2101").key()


def test_an_address_is_shown_on_one_line() -> None:
    assert HANAKO.address.display == "甲県X市中央一丁目2番3号　コーポ組紐101"


@pytest.mark.parametrize("missing", ["prefecture", "municipality", "lines"])
def test_an_address_with_a_missing_part_is_refused(missing: str) -> None:
    parts = {"prefecture": "甲県", "municipality": "X市", "lines": "中央1"} | {missing: " "}
    with pytest.raises(Problem) as refused:
        Address(**parts)
    assert (refused.value.code, refused.value.where) == ("address.empty", missing)


@pytest.mark.parametrize("code", ["011002", "131016", "271004", "040002", "130001"])
def test_codes_of_real_local_governments_are_accepted(code: str) -> None:
    assert local_government_code(code) == code
    assert completed_local_government_code(code[:5]) == code


def test_a_wrong_code_of_a_local_government_is_refused() -> None:
    with pytest.raises(Problem, match="expected 2 as the check digit") as refused:
        Address("北海道", "札幌市", "中央1", code="011003")
    assert refused.value.where == "code"


@pytest.mark.parametrize(
    ("typed", "sex"),
    [
        ("男", Sex.MALE),
        ("１", Sex.MALE),
        ("Male", Sex.MALE),
        ("女性", Sex.FEMALE),
        ("2", Sex.FEMALE),
        (" f ", Sex.FEMALE),
    ],
)
def test_a_sex_is_read_as_files_write_it(typed: str, sex: Sex) -> None:
    assert Sex.parse(typed) is sex
    assert Sex.parse(sex.label) is sex


@pytest.mark.parametrize("typed", ["", "0", "3", "X", "男女", "621498320257"])
def test_an_unknown_sex_is_refused(typed: str) -> None:
    with pytest.raises(Problem) as refused:
        Sex.parse(typed, "row 4")
    assert (refused.value.code, refused.value.where) == ("sex.unknown", "row 4")
    assert "6214" not in str(refused.value)


@given(WRITING, WRITING, ADDRESS_TEXT.filter(comparable), st.dates(), st.sampled_from(Sex))
def test_four_items_come_back_from_json(family: str, given_name: str, lines: str, birth: date, sex: Sex) -> None:
    items = FourItems(PersonName(family, given_name), Address("甲県", "X市", lines), birth, sex)
    back = FourItems.from_dict(json.loads(json.dumps(items.to_dict())))
    assert back == items
    assert hash(back) == hash(items)
    assert back.key() == items.key()


def test_equal_people_in_different_writing_have_equal_keys() -> None:
    other = FourItems.from_dict(
        {
            "name": {"family": "総　務", "given": "花子"},
            "address": {
                "prefecture": "甲県",
                "municipality": "Ｘ市",
                "lines": "中央１－２－３",
                "building": "コーポ組紐１０１",
            },
            "birth": "S50.1.1",
            "sex": "女",
        }
    )
    assert other != HANAKO
    assert other.key() == HANAKO.key() == ("総務花子", "甲県x市中央1-2-3コーポ組紐101", "1975-01-01", "2")


def test_four_items_print_masked() -> None:
    for printed in (str(HANAKO), repr(HANAKO), repr(HANAKO.name), repr(HANAKO.address)):
        assert not any(secret in printed for secret in ("花子", "ハナコ", "中央", "組紐", "01-01"))
    assert str(HANAKO) == "総＊ 花＊, 甲県X市＊, 1975-**-**, 女"


@pytest.mark.parametrize(
    ("change", "where", "code"),
    [
        ({"name": None}, "name", "value.invalid"),
        ({"name": {"family": "総務"}}, "name.given", "value.invalid"),
        ({"name": {"family": "総務", "given": ""}}, "name.given", "name.empty"),
        ({"name": {"given": "花子", "given_kana": "x"}}, "name.given_kana", "name.reading"),
        ({"name": {"given": "花子", "middle": "x"}}, "name.'middle'", "value.invalid"),
        ({"address": "甲県X市"}, "address", "value.invalid"),
        ({"address": {"prefecture": "甲県", "municipality": "X市"}}, "address.lines", "value.invalid"),
        ({"birth": "昭和50年2月30日"}, "birth", "date.impossible"),
        ({"birth": 19750101}, "birth", "value.invalid"),
        ({"sex": "?"}, "sex", "sex.unknown"),
    ],
)
def test_a_refusal_names_the_field(change: dict[str, object], where: str, code: str) -> None:
    problem = refusal(HANAKO.to_dict() | change)
    assert (problem.where, problem.code) == (where, code)


def test_a_refusal_names_the_row_before_the_field() -> None:
    with pytest.raises(Problem) as refused:
        FourItems.from_dict(HANAKO.to_dict() | {"birth": "never"}, where="row 12")
    assert refused.value.where == "row 12.birth"


@pytest.mark.parametrize("data", [None, [], "総務花子", 7])
def test_what_is_no_record_is_refused(data: object) -> None:
    assert refusal(data).code == "value.invalid"
