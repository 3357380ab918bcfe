"""Names of synthetic people (氏名): family names by their real number of bearers, given names by sex and generation.

Family names and spellings of given names come from the package japanese-personal-name-dataset, which counts the bearers of
family names only. A given name's frequency is estimated: the most frequent ones of each generation are listed in
given_names.toml; of the others, a reading is the more frequent the more spellings of it are attested, and a spelling the
more frequent the more usual its characters are. Both follow Zipf's law.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from math import log
from typing import Final

import jaconv
from japanese_personal_name_dataset import load_dataset

from kumihimo.country.people.chance import Chance, Weighted
from kumihimo.domain.kernel.person import Sex

Written = tuple[str, str]
"""A name as written, and its reading in katakana."""

_FIRST_RANKS_FLATTENED, _READING_EXPONENT, _SPELLING_EXPONENT = 4.0, 1.1, 1.5
# Shapes of characters that some families register instead of the usual ones (異体字), with their part of the bearers;
# names written 渡邊 or 齋藤 are counted in the package.
_SHAPES: Final = (("高", "髙", 0.06), ("崎", "﨑", 0.08), ("吉", "𠮷", 0.02))
# How much more often readings with these ends were given before 1965, and since 1995.
_OLD_ENDS: Final = {
    Sex.MALE: {"お": 4, "ろう": 4, "いち": 3, "じ": 3, "よし": 2, "と": 0.2, "た": 0.1, "ま": 0.2},
    Sex.FEMALE: {"え": 4, "よ": 4, "み": 2, "な": 0.1, "か": 0.1, "り": 0.3},
}
_NEW_ENDS: Final = {
    Sex.MALE: {"と": 4, "た": 4, "き": 2, "ま": 4, "お": 0.2, "じ": 0.2, "ぞう": 0.1, "きち": 0.05},
    Sex.FEMALE: {"な": 3, "か": 3, "り": 2, "の": 2, "え": 0.2, "よ": 0.05},
}
_OLD_UNTIL, _NEW_SINCE = 1965, 1995


@dataclass(frozen=True)
class _Generation:
    """Those born from one year on until the next generation begins."""

    since: int
    share: float
    frequent: dict[Sex, Weighted[Written]]
    other_readings: dict[Sex, Weighted[str]]


@dataclass(frozen=True)
class _Nationality:
    code: str
    family: tuple[Written, ...]
    given: dict[Sex, tuple[Written, ...]]


def family_name(chance: Chance) -> Written:
    """A Japanese family name, as frequent as it is among Japan's people."""
    return chance.pick(_family_names())


def given_name(chance: Chance, sex: Sex, birth_year: int) -> Written:
    """A Japanese given name as people of this sex born in this year bear it."""
    generation = _generation_of(birth_year)
    if chance.happens(generation.share):
        return chance.pick(generation.frequent[sex])
    reading = chance.pick(generation.other_readings[sex])
    return chance.pick(_spellings(sex, reading))


def nationality(chance: Chance) -> str:
    """The nationality of a foreign resident, as an ISO 3166 code."""
    return chance.pick(_nationalities()[0])


def foreign_name(chance: Chance, code: str, sex: Sex) -> tuple[Written, Written]:
    """Family and given name of a foreign resident; the writing is that of the residence card."""
    names = _nationalities()[1][code]
    return chance.one_of(names.family), chance.one_of(names.given[sex])


@cache
def _family_names() -> Weighted[Written]:
    return Weighted.of(
        ((shape, jaconv.hira2kata(entry["reading"])), entry["count"] * part)
        for name, entry in load_dataset(include_last_names=True)[2].items()
        for shape, part in _shapes(name)
    )


def _shapes(name: str) -> Iterable[tuple[str, float]]:
    for usual, other, part in _SHAPES:
        if usual in name:
            return ((name, 1 - part), (name.replace(usual, other), part))
    return ((name, 1),)


@cache
def _given_names(sex: Sex) -> dict[str, list[str]]:
    """Attested spellings by reading in hiragana."""
    men, women = load_dataset()
    listed = (men if sex is Sex.MALE else women).items()
    # A few readings of the package list an empty spelling.
    return {reading: kept for reading, entry in listed if (kept := [one for one in entry["kanji"] if one.strip()])}


@cache
def _generations() -> tuple[_Generation, ...]:
    listed = tomllib.loads(_data("given_names.toml"))["generation"]
    return tuple(
        _Generation(
            row["since"],
            row["share"],
            {Sex.MALE: _ranked(_written(row["male"])), Sex.FEMALE: _ranked(_written(row["female"]))},
            {sex: _readings(sex, row["since"], row["ko"]) for sex in Sex},
        )
        for row in listed
    )


@cache
def _generation_of(birth_year: int) -> _Generation:
    born_before = [one for one in _generations() if one.since <= birth_year]
    return born_before[-1] if born_before else _generations()[0]


def _ranked(names: Iterable[Written]) -> Weighted[Written]:
    return Weighted.of((name, 1 / (rank + _FIRST_RANKS_FLATTENED)) for rank, name in enumerate(names))


def _readings(sex: Sex, since: int, share_of_ko: float) -> Weighted[str]:
    by_spellings = sorted(_given_names(sex).items(), key=lambda entry: (-len(entry[1]), entry[0]))
    ends = _OLD_ENDS[sex] if since < _OLD_UNTIL else _NEW_ENDS[sex] if since >= _NEW_SINCE else {}
    weights = {
        reading: _weight_of_end(reading, ends) / (rank + _FIRST_RANKS_FLATTENED) ** _READING_EXPONENT
        for rank, (reading, _) in enumerate(by_spellings)
    }
    if sex is Sex.FEMALE:
        ko = sum(weight for reading, weight in weights.items() if reading.endswith("こ"))
        others = sum(weights.values()) - ko
        for reading in weights:
            weights[reading] *= share_of_ko / ko if reading.endswith("こ") else (1 - share_of_ko) / others
    return Weighted.of(weights.items())


def _weight_of_end(reading: str, ends: dict[str, float]) -> float:
    return next((factor for end, factor in ends.items() if reading.endswith(end)), 1)


@cache
def _spellings(sex: Sex, reading: str) -> Weighted[Written]:
    """The spellings of one reading, likelier first.

    A spelling is likely when its characters are usual in other spellings of the reading and in names at all, when it is
    short, and when it is read in few other ways.
    """
    spellings = _given_names(sex)[reading]
    here = Counter(one for spelling in spellings for one in spelling)
    anywhere, readings = _use(sex)

    def likelihood(spelling: str) -> float:
        usual = sum(log(here[one]) + 0.45 * log(anywhere[one]) for one in spelling) / len(spelling)
        length = 1.3 if len(spelling) == 1 else -0.4 * (len(spelling) - 2)
        return round(usual + length - 0.35 * log(readings[spelling]), 9)

    kana = jaconv.hira2kata(reading)
    ranked = sorted(spellings, key=lambda spelling: (-likelihood(spelling), spelling))
    return Weighted.of(((spelling, kana), 1 / (rank + 1) ** _SPELLING_EXPONENT) for rank, spelling in enumerate(ranked))


@cache
def _use(sex: Sex) -> tuple[Counter[str], Counter[str]]:
    """In how many names each character is used, and how many readings each spelling has."""
    named = _given_names(sex).values()
    characters = Counter(one for spellings in named for spelling in spellings for one in spelling)
    return characters, Counter(spelling for spellings in named for spelling in set(spellings))


@cache
def _nationalities() -> tuple[Weighted[str], dict[str, _Nationality]]:
    rows = tomllib.loads(_data("foreign_names.toml"))["nationality"]
    named = {
        row["code"]: _Nationality(
            row["code"],
            _written(row["family"]),
            {Sex.MALE: _written(row["male"]), Sex.FEMALE: _written(row["female"])},
        )
        for row in rows
    }
    return Weighted.of((row["code"], row["weight"]) for row in rows), named


def _written(listed: str) -> tuple[Written, ...]:
    """Names listed as `花子/ハナコ, 幸子/サチコ`."""
    pairs = (entry.split("/") for entry in listed.split(", "))
    return tuple((writing, kana) for writing, kana in pairs)


def _data(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
