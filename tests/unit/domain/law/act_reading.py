"""Reading the Act's table (別表第二): which classes a cell of the table names, found from its words alone.

The catalogue records for every class the Act's own words. A cell is read from left to right: each piece must be the
recorded words of one class, pieces may be joined by connectives only, and nothing may be left over. Where the Act shares
words between neighbours (「救助若しくは扶助金の支給」), the recorded words mark the shared part in [brackets]: it must
stand elsewhere in the cell, to the left of the class's own words or to the right, as written. Of all fitting words the
most specific win, so that "the mayor who runs public housing" is not read as any mayor.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

# Laid beside the repository for whoever holds the book against the statute's text.
LAW = Path(__file__).parents[4].parent / "shared" / "data" / "law"
TABLE = LAW / "linkage_table_2016.csv"

CONNECTIVE = re.compile(r"、|又は|若しくは|及び|並びに")
ORDER_OF_THE_MINISTRY = "であって主務省令で定めるもの"


@dataclass(frozen=True)
class Words:
    """One recorded wording: own words, and words shared with neighbours on the left and on the right."""

    class_id: str
    left: tuple[str, ...]
    own: str
    right: tuple[str, ...]

    @property
    def full(self) -> str:
        return "".join((*self.left, self.own, *self.right))

    def fits(self, text: str, at: int) -> bool:
        before, behind = text[:at], text[at + len(self.own) :]
        return (
            text.startswith(self.own, at)
            and all(part in before for part in self.left)
            and all(part in behind for part in self.right)
        )


def words(class_id: str, wording: str) -> Words:
    """Parse `[left]own[right]`."""
    found = re.fullmatch(r"((?:\[[^\]]+\])*)([^\[\]]+)((?:\[[^\]]+\])*)", wording)
    assert found, f"{class_id}: {wording}"
    left, own, right = found.groups()
    return Words(class_id, tuple(re.findall(r"\[([^\]]+)\]", left)), own, tuple(re.findall(r"\[([^\]]+)\]", right)))


def vocabulary(wordings: Mapping[str, Iterable[str]]) -> list[Words]:
    """All recorded wordings, the most specific first."""
    parsed = [words(class_id, wording) for class_id, these in wordings.items() for wording in these]
    return sorted(parsed, key=lambda one: (-len(one.own), -len(one.full)))


def without_definitions(text: str) -> str:
    """Drop parentheses that only define a term (…以下「…」という。…以下同じ。), nested ones with their parent."""
    out, depth, start = [], 0, 0
    for at, sign in enumerate(text):
        if sign == "（":
            if depth == 0:
                start = at
            depth += 1
        elif sign == "）":
            depth -= 1
            if depth == 0 and "以下" not in text[start:at]:
                out.append(text[start : at + 1])
        elif depth == 0:
            out.append(sign)
    return "".join(out)


def read(cell: str, known: list[Words]) -> frozenset[str]:
    """The classes a cell names. Raises AssertionError with the words nobody accounts for, or a class named twice."""
    text = without_definitions(cell).removesuffix(ORDER_OF_THE_MINISTRY)
    at, named = 0, []
    while at < len(text):
        piece = next((one for one in known if one.fits(text, at)), None)
        assert piece is not None, f"no class for 「{text[at:]}」 in 「{cell}」"
        named.append(piece.class_id)
        at += len(piece.own)
        if at < len(text) and text[at] != "（":
            joined = CONNECTIVE.match(text, at)
            assert joined, f"no connective before 「{text[at:]}」 in 「{cell}」"
            at = joined.end()
            assert at < len(text), f"「{cell}」 ends in a connective"
    assert len(named) == len(set(named)), f"a class is named twice in 「{cell}」: {named}"
    return frozenset(named)
