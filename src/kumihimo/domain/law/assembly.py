"""Putting books together (規則の統合): the Act, later versions of it and ordinances become one checked set of rules.

Every class, item and affair a rule names must be declared in one of the loaded files, ids are unique over all of them,
dates must make sense, and an ordinance speaks for one local body only. A book that `replaces` another ends its rules
on the day before its own first day.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import InstitutionId, institution_id
from kumihimo.domain.law.documents import (
    BookFile,
    BookHead,
    ClauseEntry,
    InstitutionClassEntry,
    RowEntry,
)
from kumihimo.domain.law.entries import Affair, Contents, InformationClass, InstitutionClass, Rule, Version

Loaded = Sequence[tuple[str, BookFile]]


def assemble(loaded: Loaded) -> Contents:
    """Check files (name, content) against one another and resolve them; the order of the files does not matter.

    Raises Problem(rules.format) naming file and entry: duplicate id, unknown class, item or affair, missing or
    impossible dates, missing article, circular membership, an unknown replaced book.
    """
    files = sorted(loaded, key=lambda file: file[1].book.id)
    _refuse_duplicates((name, "book", book.book.id) for name, book in files)
    for kind in ("institution_classes", "information_classes", "affairs"):
        _refuse_duplicates(
            (name, f"catalogue.{kind}", entry.id) for name, book in files for entry in getattr(book.catalogue, kind)
        )
    _refuse_duplicates(
        (name, "clause", _rule_id(book.book, clause, row))
        for name, book in files
        for clause in book.clause
        for row in clause.rows
    )
    institutions = [(name, entry) for name, book in files for entry in book.catalogue.institution_classes]
    items = [entry for _, book in files for entry in book.catalogue.information_classes]
    affairs = [entry for _, book in files for entry in book.catalogue.affairs]
    _check_members(institutions)

    known = _Known(
        frozenset(entry.id for _, entry in institutions),
        frozenset(entry.id for entry in items),
        frozenset(entry.id for entry in affairs),
    )
    ends = _ends_of_replaced_books(files)
    rules = [rule for name, book in files for rule in _rules_of(name, book, known, ends.get(book.book.id))]
    return Contents(
        versions=tuple(_version(name, book.book) for name, book in files),
        institution_classes=tuple(_institution_class(entry) for _, entry in institutions),
        information_classes=tuple(
            InformationClass(entry.id, entry.ja, entry.en, _wordings(entry.ja, entry.wordings)) for entry in items
        ),
        affairs=tuple(Affair(entry.id, entry.clauses, entry.ja, entry.en, entry.laws) for entry in affairs),
        rules=tuple(rules),
    )


@dataclass(frozen=True)
class _Known:
    """Ids that rules may name."""

    institutions: frozenset[str]
    items: frozenset[str]
    affairs: frozenset[str]

    def check_clause(self, file: str, clause: ClauseEntry) -> None:
        where = f"{file}, clause {clause.clause!r}"
        if clause.affair not in self.affairs:
            raise _wrong(where, f"unknown affair {clause.affair!r}", "an affair declared in catalogue.affairs")
        self._check(where, "requesters", clause.requesters, self.institutions)

    def check_row(self, file: str, clause: ClauseEntry, row: RowEntry) -> None:
        where = f"{file}, clause {clause.clause!r}, row {row.row}"
        self._check(where, "providers", row.providers, self.institutions)
        self._check(where, "items", row.items, self.items)

    @staticmethod
    def _check(where: str, field: str, named: Sequence[str], known: frozenset[str]) -> None:
        for one in named:
            if one not in known:
                raise _wrong(f"{where}, {field}", f"unknown class {one!r}", "a class declared in the catalogue")
        if len(set(named)) != len(named):
            raise _wrong(f"{where}, {field}", "a class is named twice", "each class once")


def _rules_of(file: str, content: BookFile, known: _Known, end: date | None) -> Iterable[Rule]:
    head = content.book
    body = _local_body(file, head)
    for clause in content.clause:
        known.check_clause(file, clause)
        if head.article is None or head.article_en is None:
            raise _wrong(f"{file}, book", "no article", "`article` and `article_en`: every rule cites its article")
        for row in clause.rows:
            known.check_row(file, clause, row)
            rule = _rule(file, head, clause, row, body)
            if end is None or rule.in_force_from <= end:
                yield _ended(rule, end)


def _rule(file: str, head: BookHead, clause: ClauseEntry, row: RowEntry, body: InstitutionId | None) -> Rule:
    where = f"{file}, clause {clause.clause!r}, row {row.row}"
    first, last = row.in_force_from or head.in_force_from, row.in_force_to or head.in_force_to
    if first is None:
        raise _wrong(where, "no in_force_from", "a first day in the row or in [book]")
    if last is not None and last < first:
        raise _wrong(where, f"in force from {first} to {last}", "a last day not before the first")
    label, label_en = clause.clause.replace("-", "の"), clause.clause
    return Rule(
        id=_rule_id(head, clause, row),
        book=head.id,
        clause=clause.clause,
        row=row.row,
        affair=clause.affair,
        requesters=frozenset(clause.requesters),
        providers=frozenset(row.providers),
        items=frozenset(row.items),
        article=str(head.article).replace("{clause}", label),
        article_en=str(head.article_en).replace("{clause}", label_en),
        in_force_from=first,
        in_force_to=last,
        local_body=body,
    )


def _rule_id(head: BookHead, clause: ClauseEntry, row: RowEntry) -> str:
    return f"{head.id}/{clause.clause}/{row.row}"


def _ended(rule: Rule, end: date | None) -> Rule:
    if end is None or (rule.in_force_to is not None and rule.in_force_to <= end):
        return rule
    return replace(rule, in_force_to=end)


def _ends_of_replaced_books(files: Loaded) -> dict[str, date]:
    bodies = {book.book.id: book.book.local_body for _, book in files}
    ends: dict[str, date] = {}
    for name, book in files:
        for replaced in book.book.replaces:
            first = book.book.in_force_from
            if replaced not in bodies:
                raise _wrong(f"{name}, book.replaces", f"unknown book {replaced!r}", "the id of another loaded book")
            if replaced == book.book.id:
                raise _wrong(f"{name}, book.replaces", "a book cannot replace itself", "the id of an older book")
            if book.book.local_body is not None and bodies[replaced] != book.book.local_body:
                detail = f"an ordinance of {book.book.local_body} cannot replace {replaced!r}"
                raise _wrong(f"{name}, book.replaces", detail, "an older ordinance of the same body")
            if first is None:
                raise _wrong(f"{name}, book", "replaces a book but has no in_force_from", "the first day of this book")
            end = first - timedelta(days=1)
            ends[replaced] = min(end, ends.get(replaced, end))
    return ends


def _check_members(entries: Sequence[tuple[str, InstitutionClassEntry]]) -> None:
    members = {entry.id: entry.members for _, entry in entries}
    for name, entry in entries:
        where = f"{name}, catalogue.institution_classes {entry.id!r}, members"
        for member in entry.members:
            if member not in members:
                raise _wrong(where, f"unknown class {member!r}", "a class declared in the catalogue")
        reached, open_ = set[str](), list(entry.members)
        while open_:
            one = open_.pop()
            if one == entry.id:
                raise _wrong(where, f"{entry.id!r} would be a member of itself", "no circle of members")
            if one not in reached:
                reached.add(one)
                open_.extend(members.get(one, ()))


def _refuse_duplicates(found: Iterable[tuple[str, str, str]]) -> None:
    seen: dict[tuple[str, str], str] = {}
    for file, part, entry in found:
        if (part, entry) in seen:
            where = f"{file}, {part}"
            raise _wrong(where, f"duplicate id {entry!r}, first in {seen[part, entry]}", "an id used once")
        seen[part, entry] = file


def _version(file: str, head: BookHead) -> Version:
    return Version(head.id, head.title_ja, head.title_en, head.in_force_from, _local_body(file, head))


def _local_body(file: str, head: BookHead) -> InstitutionId | None:
    if head.local_body is None:
        return None
    try:
        return institution_id(head.local_body)
    except Problem as problem:
        raise _wrong(f"{file}, book.local_body", problem.detail, str(problem.expected)) from problem


def _institution_class(entry: InstitutionClassEntry) -> InstitutionClass:
    wordings = _wordings(entry.ja, entry.wordings)
    return InstitutionClass(entry.id, entry.ja, entry.en, wordings, frozenset(entry.members), entry.note)


def _wordings(label: str, wordings: tuple[str, ...] | None) -> tuple[str, ...]:
    return (label,) if wordings is None else wordings


def _wrong(where: str, detail: str, expected: str) -> Problem:
    return Problem("rules.format", detail, where=where, expected=expected)
