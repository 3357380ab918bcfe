"""Chunks of a batch (一括照会の束): what every party computes alike about the persons of one signed request.

Transaction numbers, hashes and records of the single persons are not sent: they follow from the request, so that nobody
can state them otherwise than the requester signed them.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from kumihimo.domain.codes import CIPHERTEXT_BYTES
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.sealing import SALT_BYTES, canonical_json, commit
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Signed, b64, from_b64
from kumihimo.plumbing.wire.messages.batch import PERSONS, ChunkPermit, LoggedRecords, LogPromises, Ranges, Refused
from kumihimo.plumbing.wire.messages.inquiry import LogRecord, Outcome, Permit, Refusal
from kumihimo.plumbing.wire.remote_log import LOGGER

HASH_BYTES: Final = 32
LETTERS: Final = {
    Outcome.PROVIDED: "P",
    Outcome.NONE: "N",
    Outcome.WITHHELD: "W",
    Outcome.PENDING: "H",
    Outcome.UNDELIVERED: "U",
}
_OUTCOME_OF: Final = {letter: outcome for outcome, letter in LETTERS.items()}
_PERSON: Final = b"kumihimo/person-of-chunk/v1\0"
_PERSONS: Final = b"kumihimo/persons-of-chunk/v1\0"


def person_transaction(transaction: str, position: int) -> str:
    """The transaction number (処理通番) of the person at a position: 32 hex digits out of the chunk's and the position."""
    return hashlib.sha256(_PERSON + bytes.fromhex(transaction) + struct.pack(">I", position)).digest()[:16].hex()


def letters(outcomes: Iterable[Outcome]) -> str:
    """Outcomes as they are written in a message: one letter each."""
    return "".join(LETTERS[one] for one in outcomes)


def outcomes_of(text: str) -> list[Outcome]:
    """The outcomes of such a text."""
    return [_OUTCOME_OF[letter] for letter in text]


def packed(values: Iterable[bytes]) -> str:
    """Values of one length, one after the other, as base64."""
    return b64(b"".join(values))


def unpacked(text: str, size: int, where: str, count: int | None = None) -> list[bytes]:
    """The values of `size` bytes, `count` of them where that is known. Raises Problem(message.malformed)."""
    data = from_b64(text, where)
    found, rest = divmod(len(data), size)
    if rest or (count is not None and found != count):
        expected = f"values of {size} bytes" if count is None else f"{count} values of {size} bytes"
        raise Problem("message.malformed", f"{len(data)} bytes", where=where, expected=expected)
    return [data[at : at + size] for at in range(0, len(data), size)]


def subjects_of(text: str, where: str = "subjects") -> list[bytes]:
    """The ciphertexts of a request, one to `PERSONS`, unchecked. Raises Problem(message.malformed)."""
    found = unpacked(text, CIPHERTEXT_BYTES, where)
    if not 1 <= len(found) <= PERSONS:
        raise Problem("message.malformed", f"{len(found)} persons", where=where, expected=f"1 to {PERSONS}")
    return found


def ranges(positions: Sequence[int]) -> Ranges:
    """Ascending positions as runs."""
    if not positions:
        return ()
    starts = [positions[0], *(after for before, after in pairwise(positions) if after != before + 1)]
    ends = [*(before for before, after in pairwise(positions) if after != before + 1), positions[-1]]
    return tuple(zip(starts, ends, strict=True))


def positions_in(runs: Ranges, count: int, where: str = "positions") -> list[int]:
    """The positions of runs, below `count`. Raises Problem(message.malformed) where they do not ascend."""
    found: list[int] = []
    for first, last in runs:
        if not (found[-1] if found else -1) < first <= last < count:
            raise Problem(
                "message.malformed", "positions out of order or of nobody", where, f"ascending, below {count}"
            )
        found.extend(range(first, last + 1))
    return found


def persons_hash(persons: Iterable[tuple[int, bytes, int]]) -> str:
    """SHA-256 over position, log index and hash of the ciphertext of each permitted person, in order; hex."""
    digest = hashlib.sha256(_PERSONS)
    for position, subject, index in persons:
        digest.update(struct.pack(">IQ", position, index) + hashlib.sha256(subject).digest())
    return digest.hexdigest()


def permit_for_person(permit: ChunkPermit, position: int, subject_hash: str, log_index: int) -> Permit:
    """What a chunk's permit says about one person, in the form of a single inquiry's."""
    return Permit(
        transaction=person_transaction(permit.transaction, position),
        requester=permit.requester,
        provider=permit.provider,
        affair=permit.affair,
        items=permit.items,
        period=permit.period,
        rules=permit.rules,
        articles=permit.articles,
        rule_book=permit.rule_book,
        subject_hash=subject_hash,
        log_index=log_index,
        issued_at=permit.issued_at,
        expires_at=permit.expires_at,
    )


def refusals_by_position(refused: Sequence[Refused], count: int) -> dict[int, Refusal]:
    """Who was refused, and why. Raises Problem(message.malformed)."""
    return {position: one.refusal for one in refused for position in positions_in(one.positions, count, "refused")}


def refused_of(refusals: dict[int, Refusal]) -> tuple[Refused, ...]:
    """The same as it is sent: each reason once."""
    by_reason: dict[str, tuple[Refusal, list[int]]] = {}
    for position in sorted(refusals):
        refusal = refusals[position]
        by_reason.setdefault(refusal.model_dump_json(), (refusal, []))[1].append(position)
    return tuple(Refused(positions=ranges(of), refusal=refusal) for refusal, of in by_reason.values())


@dataclass(frozen=True)
class PersonOf:
    """What sets one person's record apart: transaction number, and the hash of their ciphertext (hex) where it has one."""

    transaction: str
    subject_hash: str | None = None


class RecordForm:
    """The canonical JSON of records that differ in transaction number and ciphertext hash only, written once.

    Writing each by itself would cost as much as translating its code.
    """

    def __init__(self, record: LogRecord) -> None:
        self._record = record.model_copy(update={"transaction": None, "subject_hash": None})
        self._forms: dict[bool, tuple[str, ...]] = {}

    def written(self, person: PersonOf) -> bytes:
        """As `LogRecord.to_bytes` of the whole record."""
        form = self._form(person.subject_hash is not None)
        if person.subject_hash is None:
            return f'{form[0]}"{person.transaction}"{form[1]}'.encode()
        return f'{form[0]}"{person.subject_hash}"{form[1]}"{person.transaction}"{form[2]}'.encode()

    def record(self, person: PersonOf) -> LogRecord:
        """The whole record."""
        return self._record.model_copy(update={"transaction": person.transaction, "subject_hash": person.subject_hash})

    def _form(self, with_subject: bool) -> tuple[str, ...]:
        if with_subject not in self._forms:
            blank = secrets.token_hex(16)  # not to be met with in any text of the record
            fields = self._record.model_dump(mode="json") | {"transaction": blank}
            if with_subject:
                fields["subject_hash"] = blank
            self._forms[with_subject] = tuple(canonical_json(fields).decode().split(f'"{blank}"'))
        return self._forms[with_subject]


@dataclass(frozen=True)
class PromisedEntry:
    """One person's entry as operator 1 promised it: where it stands, commitment and salt (32 bytes), the record."""

    index: int
    commitment: bytes
    salt: bytes
    written: bytes


@dataclass(frozen=True)
class PromisedEntries:
    """The entries of a chunk with the one promise about them."""

    entries: tuple[PromisedEntry, ...]
    signed: Signed[LogPromises]


def check_logged_records(edge: Edge, logged: LoggedRecords, persons: Sequence[PersonOf]) -> PromisedEntries:
    """Check that operator 1 promised to log just these records, one for each person.

    Raises Problem(message.malformed; log.proof_invalid when the promise is about others), and those of a bad signature.
    """
    signed = edge.read(logged.promise, LogPromises, LOGGER)
    count = len(persons)
    salts = unpacked(logged.salts, SALT_BYTES, "salts", count)
    commitments = unpacked(signed.value.entries, HASH_BYTES, "promise.entries", count)
    indexes = signed.value.indexes
    kinds = len(logged.records)
    if not len(logged.kinds) == len(indexes) == count or any(not 0 <= kind < kinds for kind in logged.kinds):
        raise Problem("message.malformed", "records, kinds and indexes of other numbers", "logged", f"{count} of each")
    forms = [RecordForm(record) for record in logged.records]
    entries = []
    for person, kind, salt, promised, index in zip(persons, logged.kinds, salts, commitments, indexes, strict=True):
        written = forms[kind].written(person)
        if not hmac.compare_digest(commit(salt, written), promised):
            raise Problem("log.proof_invalid", "the promise is about another record", where="promise")
        entries.append(PromisedEntry(index, promised, salt, written))
    return PromisedEntries(tuple(entries), signed)
