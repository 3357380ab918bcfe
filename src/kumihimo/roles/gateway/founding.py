"""Offline entry points (初期移行): for whoever founds a country or moves an institution in from its old systems.

They write straight into a store that no process has open for writing, with the same checks as the services.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Final, TypeVar

from sqlalchemy import Engine

from kumihimo.domain.kernel import AddresseeNumber
from kumihimo.plumbing.wire.messages.provision import CopyOf
from kumihimo.roles.gateway.service.copies import check_copy
from kumihimo.roles.gateway.service.items import schema_of
from kumihimo.roles.gateway.service.release import ANY_ITEM, FlagKind
from kumihimo.roles.gateway.store.addressees import LedgerStore
from kumihimo.roles.gateway.store.copies import CopyStore
from kumihimo.roles.gateway.store.inquiries import ANY_AFFAIR, InquiryStore
from kumihimo.roles.gateway.store.persons import Person

_CHUNK: Final = 5_000
T = TypeVar("T")


def load_addressees(engine: Engine, institution: str, people: Iterable[Person], at: datetime) -> list[AddresseeNumber]:
    """Enter residents into a ledger's store in this order; their addressee numbers in the same order.

    The registry must count the institution among those it tells about these residents, or no event will reach it.
    """
    store = LedgerStore(engine, institution)
    return [entry.addressee_number for chunk in _chunks(people) for entry in store.enter(chunk, at)]


def load_copies(engine: Engine, institution: str, copies: Iterable[CopyOf], at: datetime) -> int:
    """Place copies into an exchange's store, in transactions of 5,000; how many.

    Raises Problem(addressee_number.*, item.unknown, copy.invalid) at the first bad one, with its chunk not placed.
    """
    store = CopyStore(engine, institution)
    placed = 0
    for chunk in _chunks(copies):
        for one in chunk:
            check_copy(one)
        placed += store.put(chunk, at)
    return placed


def grant_staff(engine: Engine, institution: str, staff: str, affair: str = ANY_AFFAIR, department: str = "") -> None:
    """Let a staff member inquire for an affair, or for every affair."""
    InquiryStore(engine, institution).grant(staff, affair, department)


def set_flag(
    engine: Engine, institution: str, addressee: AddresseeNumber, kind: FlagKind, at: datetime, item: str = ANY_ITEM
) -> None:
    """Put a flag before the release of an item, or of every item. Raises Problem(item.unknown)."""
    if item != ANY_ITEM:
        schema_of(item)
    CopyStore(engine, institution).set_flag(addressee.digits, item, kind, at)


def _chunks(things: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(things)
    while chunk := list(islice(iterator, _CHUNK)):
        yield chunk
