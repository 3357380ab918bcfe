"""Alarms (警報): everything that must not happen to the log or in an audit, by name."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class AlarmKind(StrEnum):
    """What is wrong."""

    CHECKPOINT_INVALID = "checkpoint_invalid"  # not signed by the log, or no checkpoint
    SPLIT_VIEW = "split_view"  # two signed states contradict each other: history was rewritten or shown in two versions
    LOG_SHRUNK = "log_shrunk"  # a signed state with fewer entries than one before
    TILE_ALTERED = "tile_altered"  # a tile that does not follow from the entries
    ENTRIES_ALTERED = "entries_altered"  # entries that do not lead to the signed root
    LOG_WITHHELD = "log_withheld"  # the log refuses what its checkpoint covers
    LOG_SILENT = "log_silent"  # no checkpoint for a minute
    RECORD_INVALID = "record_invalid"  # a record whose commitment or promise does not hold
    RECORD_GAP = "record_gap"  # records handed over out of the order of the log
    RECORD_MISSING = "record_missing"  # an entry of the log whose record was not handed over
    RECORD_NOT_LOGGED = "record_not_logged"  # the log holds something else where a record should stand
    PROMISE_INVALID = "promise_invalid"  # a promise that operator 1 has not signed
    PROMISE_OVERDUE = "promise_overdue"  # the log has not grown to a promised entry in time
    TRANSLATION_UNPROVEN = "translation_unproven"  # an operator could not prove a translation to the other one
    AUDIT_CONTRADICTED = "audit_contradicted"  # an institution claims to have asked about somebody else
    AUDIT_REFUSED = "audit_refused"  # an institution does not open an inquiry of its own that is ordered to be opened
    AUDIT_LATE = "audit_late"  # an institution has not answered an audit by its day
    KEYS_DIFFER = "keys_differ"  # both operators state different public keys of an institution
    PROMISE_BROKEN = "promise_broken"  # the log holds something else where it promised an entry


# What each of them means, for whoever reads it for the first time.
PLAIN: Final[dict[AlarmKind, str]] = {
    AlarmKind.CHECKPOINT_INVALID: "The log shows a checkpoint that it has not signed.",
    AlarmKind.SPLIT_VIEW: "The log has signed two histories that contradict each other.",
    AlarmKind.LOG_SHRUNK: "The log has fewer entries than it had.",
    AlarmKind.TILE_ALTERED: "A tile of the log does not follow from its entries.",
    AlarmKind.ENTRIES_ALTERED: "Entries of the log were altered.",
    AlarmKind.LOG_WITHHELD: "The log refuses to show what it has promised.",
    AlarmKind.LOG_SILENT: "The log has said nothing for a minute.",
    AlarmKind.RECORD_INVALID: "Operator 1 handed over a record that does not hold.",
    AlarmKind.RECORD_GAP: "Operator 1 handed over records out of their order.",
    AlarmKind.RECORD_MISSING: "Operator 1 has not handed over the record of an entry.",
    AlarmKind.RECORD_NOT_LOGGED: "The log holds something else than a record that was handed over.",
    AlarmKind.PROMISE_INVALID: "A promise was shown that operator 1 has not signed.",
    AlarmKind.PROMISE_OVERDUE: "An entry that was promised is not in the log yet.",
    AlarmKind.TRANSLATION_UNPROVEN: "An operator could not prove a translation.",
    AlarmKind.AUDIT_CONTRADICTED: "An institution says that it asked about somebody else than it did.",
    AlarmKind.AUDIT_REFUSED: "An institution does not open an inquiry that it was ordered to open.",
    AlarmKind.AUDIT_LATE: "An institution has not answered an audit by its day.",
    AlarmKind.KEYS_DIFFER: "The operators state different public keys of an institution.",
    AlarmKind.PROMISE_BROKEN: "The log holds something else where an entry was promised.",
}


def plain(kind: AlarmKind) -> str:
    """What a kind of alarm means, in a sentence."""
    return PLAIN.get(kind, kind.value.replace("_", " "))


@dataclass(frozen=True)
class Alarm:
    """One thing that is wrong; `what` says it the same way each time, `evidence` is what to keep (signed notes)."""

    kind: AlarmKind
    what: str
    evidence: str | None = None
