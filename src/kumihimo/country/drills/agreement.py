"""Agreement (突合): what all parties wrote down of the same inquiries, laid side by side once everything has arrived.

Read from the stores themselves, not from what the services say. Every disagreement is one line of text; none is what a
country must have after any number of deaths.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from kumihimo.country import topology
from kumihimo.country.drills.load import Asked
from kumihimo.country.inspection import read_rows
from kumihimo.country.layout import Country
from kumihimo.domain.kernel import PartyId
from kumihimo.domain.sealing import commit
from kumihimo.domain.transparency.checkpoint import Checkpoint
from kumihimo.domain.transparency.merkle import Frontier, leaf_hash
from kumihimo.plumbing.wire.messages.inquiry import EntryKind, LogRecord, Outcome

_BY_PROVIDER: Final = (Outcome.PROVIDED, Outcome.NONE, Outcome.WITHHELD, Outcome.PENDING)
_ENTRIES: Final = "SELECT entry_index, commitment, salt, record FROM entry ORDER BY entry_index"
_RECORDS: Final = 'SELECT "transaction", side, outcome, problem, log_index, payload_hash FROM access_record'


@dataclass(frozen=True)
class Kept:
    """One access record of an exchange."""

    institution: str
    side: str
    outcome: str | None
    problem: str | None
    log_index: int | None
    payload_hash: str | None


class Books:
    """What the stores of a country hold about its inquiries, read when first asked for."""

    def __init__(self, country: Country) -> None:
        self._country = country

    def rows(self, party: PartyId, query: str) -> list[Any]:
        return read_rows(self._country, party, query)

    @cached_property
    def entries(self) -> list[tuple[int, bytes, bytes, str, LogRecord]]:
        """Index, commitment, salt, record as written, record."""
        found = self.rows(topology.HUB_1, _ENTRIES)
        return [(i, bytes(c), bytes(s), text, LogRecord.model_validate_json(text)) for i, c, s, text in found]

    def logged(self, kind: EntryKind) -> dict[str, list[tuple[int, LogRecord]]]:
        """Transaction → its entries of a kind, by index."""
        by: dict[str, list[tuple[int, LogRecord]]] = defaultdict(list)
        for index, _, _, _, record in self.entries:
            if record.entry is kind and record.transaction is not None:
                by[record.transaction].append((index, record))
        return by

    @cached_property
    def records(self) -> dict[str, list[Kept]]:
        """Transaction → the access records of all exchanges."""
        by: dict[str, list[Kept]] = defaultdict(list)
        for institution in topology.institutions():
            for transaction, *rest in self.rows(topology.exchange_of(institution), _RECORDS):
                by[transaction].append(Kept(institution, *rest))
        return by

    def texts(self, party: PartyId, table: str) -> dict[int, list[Any]]:
        """Log index → the records kept under it in a table, as JSON values."""
        by: dict[int, list[Any]] = defaultdict(list)
        for index, text in self.rows(party, f"SELECT log_index, record FROM {table}"):  # noqa: S608 - our own names
            by[index].append(json.loads(text))
        return by


def disagreements(country: Country, asked: Sequence[Asked]) -> list[str]:
    """Every disagreement among the desks, the log, both exchanges, the portal and the oversight body."""
    books = Books(country)
    return [
        *_log_whole(books),
        *_asked_and_logged(books, asked),
        *_requesters(books, asked),
        *_providers(books),
        *_followers(books),
        *_nothing_left(books),
    ]


def _log_whole(books: Books) -> Iterator[str]:
    indexes = [index for index, *_ in books.entries]
    if indexes != list(range(len(indexes))):
        yield f"the log has gaps or doubles among {len(indexes)} entries"
    wrong = [index for index, commitment, salt, text, _ in books.entries if commit(salt, text.encode()) != commitment]
    if wrong:
        yield f"entries {wrong[:5]} do not commit to their records"


def _asked_and_logged(books: Books, asked: Sequence[Asked]) -> Iterator[str]:
    """No answer without its entry, no entry without a question, no question granted twice."""
    requests, known = books.logged(EntryKind.REQUEST), {one.transaction for one in asked}
    for transaction in requests.keys() - known:
        yield f"{transaction} is in the log, and nobody asked it"
    for one in asked:
        logged = requests.get(one.transaction, [])
        granted = [index for index, record in logged if record.granted]
        by_law = [index for index, record in logged if record.refusal and record.refusal.code.startswith("rules.")]
        if len(granted) > 1 or len(by_law) > 1:
            yield f"{one.transaction} was decided more than once: entries {granted + by_law}"
        if one.answer is None:
            continue
        decided = by_law if one.answer.outcome is Outcome.REFUSED else granted
        if decided != [one.answer.log_index]:
            yield f"{one.transaction} was answered {one.answer.outcome} under {one.answer.log_index}, logged {decided}"
        if one.question.lawful is (one.answer.outcome is Outcome.REFUSED):
            yield f"{one.transaction} came back {one.answer.outcome}, lawful: {one.question.lawful}"


def _requesters(books: Books, asked: Sequence[Asked]) -> Iterator[str]:
    for one in asked:
        mine = [kept for kept in books.records[one.transaction] if kept.side == "requester"]
        if len(mine) > 1 or (one.answer is not None and not mine):
            yield f"{one.transaction} has {len(mine)} records at its requester"
        elif one.answer is not None and mine[0].outcome != one.answer.outcome:
            yield f"{one.transaction} came back {one.answer.outcome}; its requester wrote down {mine[0].outcome}"
        elif one.answer is not None and mine[0].log_index != one.answer.log_index:
            yield f"{one.transaction} stands at {one.answer.log_index}; its requester wrote down {mine[0].log_index}"
        elif mine and mine[0].outcome is None and mine[0].problem is None:
            yield f"{one.transaction} has neither outcome nor problem at its requester"


def _providers(books: Books) -> Iterator[str]:
    """Each provision once at the provider, once in the log, and what the requester got is what was provided."""
    outcomes = books.logged(EntryKind.OUTCOME)
    requests = books.logged(EntryKind.REQUEST)
    for transaction, kept in books.records.items():
        theirs = [one for one in kept if one.side == "provider"]
        mine = [one for one in kept if one.side == "requester"]
        told = [record for _, record in outcomes.get(transaction, []) if record.outcome in _BY_PROVIDER]
        undelivered = [record for _, record in outcomes.get(transaction, []) if record.outcome is Outcome.UNDELIVERED]
        got = [one for one in mine if one.outcome in _BY_PROVIDER]
        if len(theirs) > 1 or len(told) != len(theirs) or (got and not theirs):
            yield f"{transaction}: {len(theirs)} provisions, {len(told)} logged outcomes, {len(got)} received"
            continue
        if len(undelivered) > 1:
            yield f"{transaction}: {len(undelivered)} entries that say undelivered"
        if theirs and [theirs[0].log_index] != [i for i, record in requests.get(transaction, []) if record.granted]:
            yield f"{transaction} was provided under entry {theirs[0].log_index}, which did not permit it"
        if theirs and (told[0].outcome, told[0].payload_hash) != (theirs[0].outcome, theirs[0].payload_hash):
            yield f"{transaction} was {theirs[0].outcome} at its provider, {told[0].outcome} in the log"
        if theirs and got and got[0].outcome != theirs[0].outcome:
            yield f"{transaction} was {theirs[0].outcome} at its provider, {got[0].outcome} at its requester"
        if theirs and got and theirs[0].payload_hash not in (None, got[0].payload_hash):
            yield f"{transaction} was received with other bytes than were provided"
    for transaction in outcomes.keys() - books.records.keys():
        yield f"{transaction} has an outcome in the log and no record at any exchange"


def _followers(books: Books) -> Iterator[str]:
    """The portal has every inquiry and outcome of the log, the oversight body every entry; nobody has anything twice.

    A request that failed between the operators has further entries in the log. The portal must have one of them, and the
    granted one if it came to a permit: what else it is told depends on when operator 2 was there.
    """
    followed = (
        ("portal's access", topology.PORTAL, "access", EntryKind.REQUEST),
        ("portal's outcome", topology.PORTAL, "outcome", EntryKind.OUTCOME),
        ("oversight body's record", topology.OVERSIGHT, "record", None),
    )
    for name, party, table, kind in followed:
        logged = {
            index: json.loads(text) for index, _, _, text, record in books.entries if kind in (None, record.entry)
        }
        kept = books.texts(party, table)
        optional = _told_otherwise(books, kept.keys()) if kind is EntryKind.REQUEST else frozenset[int]()
        yield from _compared(name, {i: record for i, record in logged.items() if i in kept or i not in optional}, kept)
    for kind, what in books.rows(topology.OVERSIGHT, "SELECT kind, what FROM alarm"):
        yield f"the oversight body raised {kind}: {what}"


def _told_otherwise(books: Books, told: Collection[int]) -> frozenset[int]:
    """Request entries that the portal need not have, since it has another one of the same transaction."""
    optional: set[int] = set()
    for transaction, logged in books.logged(EntryKind.REQUEST).items():
        permitted = any(one.side == "provider" for one in books.records.get(transaction, ()))
        if any(index in told for index, _ in logged):
            optional |= {index for index, record in logged if not (record.granted and permitted)}
    return frozenset(optional)


def _compared(name: str, expected: Mapping[int, Any], found: Mapping[int, Sequence[Any]]) -> Iterator[str]:
    for index, record in expected.items():
        kept = found.get(index, ())
        if list(kept) != [record]:
            missing = "lacks" if not kept else "has another record, or two, of"
            what = f"{record['entry']} {record.get('transaction') or ''} {'granted' if record.get('granted') else ''}"
            yield f"the {name} {missing} entry {index} ({what.strip()})"
    for index in found.keys() - expected.keys():
        yield f"the {name} has entry {index}, which the log has not"


def _nothing_left(books: Books) -> Iterator[str]:
    """No inquiry is open, no code is kept twice."""
    for institution in topology.institutions():
        exchange = topology.exchange_of(institution)
        for (transaction,) in books.rows(exchange, 'SELECT "transaction" FROM inquiry WHERE closed_at IS NULL'):
            yield f"{transaction} is open at {institution}"
        codes = Counter(bytes(code) for (code,) in books.rows(exchange, "SELECT code FROM link_code"))
        doubled = sum(1 for count in codes.values() if count > 1)
        if doubled:
            yield f"{institution} has {doubled} link codes twice"


def inconsistent(country: Country, seen: Iterable[Checkpoint]) -> list[str]:
    """Checkpoints seen at any time that the log as it is now does not begin with."""
    leaves = [leaf_hash(commitment) for _, commitment, *_ in Books(country).entries]
    faults, frontier = [], Frontier()
    for checkpoint in sorted(seen, key=lambda one: one.size):
        if checkpoint.size > len(leaves):
            faults.append(f"a checkpoint of {checkpoint.size} entries was published, the log has {len(leaves)}")
            continue
        frontier = frontier.extended(leaves[frontier.size : checkpoint.size])
        if frontier.root() != checkpoint.root:
            faults.append(f"the first {checkpoint.size} entries are not those of the checkpoint seen before")
    return faults
