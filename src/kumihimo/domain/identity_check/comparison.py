"""Comparison (突合): whether the four items on a card or a document are those of the person in the books."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from kumihimo.domain.kernel import FourItems, Sex, address_key, comparable


@dataclass(frozen=True, repr=False)
class ItemsAsPrinted:
    """The four items as cards and documents bear them: name and address in one line each. Prints nothing of them."""

    name: str
    address: str
    birth: date
    sex: Sex

    def differing_from(self, known: FourItems) -> tuple[str, ...]:
        """Which of name, address, birth and sex are not those known; empty where all agree.

        Width, spaces, case and the ways of writing a house number do not count.
        """
        differs = {
            "name": comparable(self.name) != known.name.key(),
            "address": address_key(self.address) != address_key(known.address.display),
            "birth": self.birth != known.birth,
            "sex": self.sex is not known.sex,
        }
        return tuple(name for name, is_different in differs.items() if is_different)

    def __repr__(self) -> str:
        return "ItemsAsPrinted()"
