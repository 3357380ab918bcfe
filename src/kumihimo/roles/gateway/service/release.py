"""The decision to release (提供の可否): a pure function of what is held, the flags, and what the permit asks for.

Flags (支援措置・不開示・自動応答不可) come first and fail closed (I7): one that cannot be read withholds. Withholding
covers the whole answer, for what is left of it could tell what was kept back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from kumihimo.plumbing.information_items import item_ids
from kumihimo.plumbing.wire.messages.by_hand import FlagKind
from kumihimo.plumbing.wire.messages.information import OWN
from kumihimo.plumbing.wire.messages.inquiry import Outcome
from kumihimo.plumbing.wire.messages.provision import DatedItem
from kumihimo.roles.gateway.store.copies import StoredFlag
from kumihimo.roles.gateway.store.provisions import Holdings

ANY_ITEM: Final = "*"


@dataclass(frozen=True)
class Release:
    """The outcome, the items that go with it, and whether a protecting flag decided it (不開示該当)."""

    outcome: Outcome
    items: tuple[DatedItem, ...] = ()
    flagged: bool = False


def decide(holdings: Holdings, asked: Sequence[str], affair: str = "") -> Release:
    """What to answer for the asked items, for an affair. A copy that was altered on disk is left to a person (`pending`)."""
    if holdings.addressee_number is None:
        return Release(Outcome.NONE)
    match _strictest(holdings.flags, asked, affair):
        case Outcome.WITHHELD:
            return Release(Outcome.WITHHELD, flagged=True)
        case Outcome.PENDING:
            return Release(Outcome.PENDING)
    items = [copy.item for copy in holdings.copies]
    whole = tuple(item for item in items if item is not None)
    if len(whole) < len(items):
        return Release(Outcome.PENDING)
    return Release(Outcome.PROVIDED, whole) if whole else Release(Outcome.NONE)


def withheld(flags: Iterable[StoredFlag], asked: Sequence[str], affair: str = "") -> bool:
    """Whether a flag, or one that cannot be read, withholds what is asked for; nobody's answer goes before it."""
    return _strictest(flags, asked, affair) is Outcome.WITHHELD


def _strictest(flags: Iterable[StoredFlag], asked: Sequence[str], affair: str) -> Outcome | None:
    found = {_effect(flag) for flag in flags if _concerns(flag, asked) and not _for_others_only(flag, affair)}
    return next((outcome for outcome in (Outcome.WITHHELD, Outcome.PENDING) if outcome in found), None)


def _for_others_only(flag: StoredFlag, affair: str) -> bool:
    """A support measure (支援措置) protects somebody from others: not from looking at their own data by themselves."""
    return affair == OWN and flag.kind == FlagKind.SUPPORT_MEASURE


def _concerns(flag: StoredFlag, asked: Sequence[str]) -> bool:
    """Whether a flag stands before one of the items; one for an item nobody knows stands before all."""
    return flag.item == ANY_ITEM or flag.item in asked or flag.item not in item_ids()


def _effect(flag: StoredFlag) -> Outcome:
    return Outcome.PENDING if flag.kind == FlagKind.ANSWER_BY_HAND else Outcome.WITHHELD
