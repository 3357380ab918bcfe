"""Rule-book files (規則ファイル): what a TOML file of rules may contain, and reading it from disk or from the package.

A file has a `[book]` head, an optional `[catalogue]` of classes, items and affairs, and `[[clause]]` entries (項) with
their rows. Files are checked one by one here; `assembly` checks them against one another. This is the only module of
the domain that opens files, and only when a book is loaded.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from datetime import date
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from kumihimo.domain.kernel.errors import Problem

_BOOKS = files("kumihimo.domain.law") / "books"
# The Act's book and the catalogues it stands on; `ordinance_example.toml` lies beside them and is loaded only by name.
PACKAGED = ("institutions.toml", "information.toml", "affairs.toml", "linkage_2016.toml", "self_disclosure.toml")
ORDINANCE_EXAMPLE = "ordinance_example.toml"

Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
AffairId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)+$")]
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
# A list that names nobody would be a rule that can never hold: surely a mistake.
Ids = Annotated[tuple[Id, ...], Field(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class InstitutionClassEntry(_Part):
    """One entry of `catalogue.institution_classes`; `wordings` left out means the Japanese label is the wording."""

    id: Id
    ja: Text
    en: Text
    wordings: tuple[Text, ...] | None = None
    members: tuple[Id, ...] = ()
    note: Text | None = None


class InformationClassEntry(_Part):
    """One entry of `catalogue.information_classes`."""

    id: Id
    ja: Text
    en: Text
    wordings: tuple[Text, ...] | None = None


class AffairEntry(_Part):
    """One entry of `catalogue.affairs`."""

    id: AffairId
    clauses: Annotated[tuple[Text, ...], Field(min_length=1)]
    ja: Text
    en: Text
    laws: Annotated[tuple[Text, ...], Field(min_length=1)]


class Catalogue(_Part):
    """What rules may name."""

    institution_classes: tuple[InstitutionClassEntry, ...] = ()
    information_classes: tuple[InformationClassEntry, ...] = ()
    affairs: tuple[AffairEntry, ...] = ()


class RowEntry(_Part):
    """One row of a clause: providers and items; own dates where they differ from the book's."""

    row: Annotated[int, Field(ge=1)]
    providers: Ids
    items: Ids
    in_force_from: date | None = None
    in_force_to: date | None = None


class ClauseEntry(_Part):
    """One clause (項): an affair, its requesters, its rows."""

    clause: Text
    affair: AffairId
    requesters: Ids
    rows: Annotated[tuple[RowEntry, ...], Field(min_length=1)]


class BookHead(_Part):
    """Head of a file. `article` and `article_en` may contain {clause}; `replaces` ends older books the day before."""

    id: Id
    title_ja: Text
    title_en: Text
    article: Text | None = None
    article_en: Text | None = None
    in_force_from: date | None = None
    in_force_to: date | None = None
    local_body: Id | None = None
    replaces: tuple[Id, ...] = ()


class BookFile(_Part):
    """One file of rules as read."""

    book: BookHead
    catalogue: Catalogue = Catalogue()
    clause: tuple[ClauseEntry, ...] = ()


def packaged() -> tuple[tuple[str, BookFile], ...]:
    """The Act's book and its catalogues as shipped, with their file names. Raises Problem(rules.format)."""
    return tuple((name, parse(name, _read(_BOOKS / name))) for name in PACKAGED)


def ordinance_example() -> str:
    """The text of the shipped example of an ordinance."""
    return _read(_BOOKS / ORDINANCE_EXAMPLE)


def from_paths(paths: Iterable[Path]) -> tuple[tuple[str, BookFile], ...]:
    """Read files of rules. Raises Problem(file.unreadable) and Problem(rules.format)."""
    return tuple((path.name, parse(path.name, _read(path))) for path in paths)


def parse(name: str, text: str) -> BookFile:
    """Read one file's text; `name` is only for messages. Raises Problem(rules.format) with the entry and the reason."""
    try:
        return BookFile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise Problem("rules.format", f"not TOML: {error}", where=name, expected="a TOML file with a [book]") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        entry = ".".join(str(step) for step in first["loc"])
        given = "" if first["type"] == "missing" else f" (found {first['input']!r:.80})"
        raise Problem("rules.format", f"{entry}{given}", where=name, expected=first["msg"]) from error


def _read(source: Path | Traversable) -> str:
    try:
        return source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Problem("file.unreadable", f"{error}", where=source.name, expected="a readable UTF-8 file") from error
