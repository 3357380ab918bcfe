"""Look-up (本人確認情報の提供, 住民基本台帳法第三十条の九 ff.): from a number, a resident code or four items to one resident.

Exact after normalisation. Where more than one resident fits, nobody's number is given out.
"""

from __future__ import annotations

from collections.abc import Callable

from kumihimo.domain.kernel import FourItems, IndividualNumber, Institution, Problem, ResidentCode
from kumihimo.plumbing.wire.messages.residents import ResidentSnapshot
from kumihimo.roles.registry.service.announcing import snapshot
from kumihimo.roles.registry.store import RegistryStore, Resident, Transaction


class LookUps:
    """Look-ups by an institution, which is subscribed to the resident it found."""

    def __init__(self, store: RegistryStore, institution: Callable[[str], Institution]) -> None:
        self._store = store
        self._institution = institution

    def find(
        self,
        asker: str,
        *,
        number: str | None = None,
        resident_code: str | None = None,
        four_items: FourItems | None = None,
    ) -> tuple[ResidentSnapshot, ...]:
        """The one resident that fits, or none.

        Raises Problem(value.invalid) unless exactly one key is given, number.* or resident_code.*, peer.not_allowed for
        a resident code asked by others than municipalities, resident.ambiguous.
        """
        if sum(key is not None for key in (number, resident_code, four_items)) != 1:
            raise Problem("value.invalid", "look-up", expected="exactly one of number, resident code and four items")
        municipal = "municipality" in self._institution(asker).classes
        if resident_code is not None and not municipal:
            raise Problem("peer.not_allowed", f"{asker} may not use resident codes", expected="a municipality")
        with self._store.transaction() as transaction:
            found = _matching(transaction, number, resident_code, four_items)
            if len(found) > 1:
                raise Problem(
                    "resident.ambiguous", f"{len(found)} residents fit",
                    advice="Ask the person for the number, or have the municipality look it up.",
                )  # fmt: skip
            for one in found:
                transaction.subscribe(one.id, asker)
            return tuple(snapshot(transaction, one, with_code=municipal) for one in found)


def _matching(
    transaction: Transaction, number: str | None, resident_code: str | None, four_items: FourItems | None
) -> list[Resident]:
    if four_items is not None:
        return transaction.by_four_items(four_items)
    if number is not None:
        one = transaction.by_number(IndividualNumber.parse(number, where="individual_number").digits)
    else:
        one = transaction.by_code(ResidentCode.parse(resident_code or "", where="resident_code").digits)
    return [one] if one is not None else []
