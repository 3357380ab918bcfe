"""Holders of certificates (電子証明書の発行に係る本人確認情報の提供): what public personal authentication learns of a resident.

公的個人認証法第九条, 第二十八条: name, address, birth, sex and standing by resident code, and every later event, so that
certificates are revoked when they no longer say what is so. Never the Individual Number (I1).
"""

from __future__ import annotations

from typing import Final

from kumihimo.domain.kernel import PartyId, ResidentCode
from kumihimo.plumbing.wire.messages.cards import HolderEvent, HolderSnapshot
from kumihimo.plumbing.wire.messages.residents import FourItemsPart, RegisterEventKind
from kumihimo.roles.registry.store import Change, RegistryStore, Resident, Transaction

AUTHORITY: Final = PartyId("jpki/authority")
SUBSCRIBER: Final = "jpki"


class Holders:
    """Look-ups by the authority, which hears of the resident's events from then on."""

    def __init__(self, store: RegistryStore) -> None:
        self._store = store

    def find(self, resident_code: str) -> HolderSnapshot | None:
        """Whoever has this resident code now, also after a merge; None for nobody. Raises Problem(resident_code.*)."""
        code = ResidentCode.parse(resident_code, where="resident_code").digits
        with self._store.transaction() as transaction:
            one = transaction.by_code(code)
            if one is None:
                return None
            transaction.subscribe(one.id, SUBSCRIBER)
            return holder(transaction, one)


def tell_authority(transaction: Transaction, one: Resident, change: Change) -> None:
    """Put a resident's event into the authority's feed."""
    event = HolderEvent(
        event=RegisterEventKind(change.event), on=change.happened_on, holder=holder(transaction, one)
    )  # fmt: skip
    transaction.tell(AUTHORITY, "holder", event.model_dump(mode="json"), change)


def holder(transaction: Transaction, one: Resident) -> HolderSnapshot:
    """The state of a resident without any number."""
    return HolderSnapshot(
        resident_code=one.resident_code,
        four_items=FourItemsPart.of(one.four_items),
        municipality=one.municipality,
        alive=one.died_on is None,
        died_on=one.died_on,
        standing=one.standing,
        merged_into=transaction.survivor_code(one),
        version=one.version,
    )
