"""What a card remembers (カードの記憶): everything that outlives a reset, as one value that is replaced whole.

A command that changes anything makes a new `CardState`; it becomes true when the store has written it durably, and not
before. So a card is always in one state or the next, never between.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final

from kumihimo.roles.card.chip.layout import ORDINANCE_PIN, Access, Pin, PinRule

CAPACITY: Final = 64 * 1024
"""Bytes for ordinance applications on a card, unless it is made with another size."""
ORDINANCE_OVERHEAD: Final = 64
"""Bytes each ordinance application takes besides its content: AID, rules, PIN and its counter."""
KEYS: Final = "key/"
"""Contents whose names begin so are secret."""
CARD_KEY: Final = "key/card"
PIN_SECRET: Final = "key/pins"  # noqa: S105 (a name)
AUTHORITY: Final = "authority"


@dataclass(frozen=True)
class PinRecord:
    """One PIN: its verifier (None while none was set) and how many tries are left."""

    verifier: bytes | None = field(repr=False)
    tries: int


@dataclass(frozen=True)
class Ordinance:
    """One ordinance application; its content lies under its AID in `contents`."""

    municipality: str
    access: Access


@dataclass(frozen=True)
class CardState:
    """Everything durable. `contents` are files (`jpki/000A`), keys (`key/0017`, `key/new/0017`) and ordinance contents.

    `municipality` is the issuing municipality's code, None while the card is blank; `latest_day` the newest day the
    card has proof of, since it has no clock; `pins` go by place; `ordinances` by AID in hexadecimal; `capacity` in bytes.
    """

    serial: str
    latest_day: date
    municipality: str | None = None
    capacity: int = CAPACITY
    pins: Mapping[str, PinRecord] = field(default_factory=dict)
    ordinances: Mapping[str, Ordinance] = field(default_factory=dict)
    contents: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def is_blank(self) -> bool:
        """Whether nobody has personalised the card yet."""
        return self.municipality is None

    @property
    def free_space(self) -> int:
        """Bytes left for ordinance applications, overhead included."""
        return self.capacity - sum(ORDINANCE_OVERHEAD + len(self.contents[aid]) for aid in self.ordinances)

    def with_pin(self, at: str, record: PinRecord) -> CardState:
        """The state with one PIN changed."""
        return replace(self, pins={**self.pins, at: record})

    def with_contents(self, new: Mapping[str, bytes], without: Iterable[str] = ()) -> CardState:
        """The state with contents added or replaced, and others gone."""
        gone = frozenset(without)
        kept = {name: content for name, content in self.contents.items() if name not in gone}
        return replace(self, contents={**kept, **new})


def key_name(file: int) -> str:
    """Where the key in use lies in `contents`."""
    return f"key/{file:04X}"


def new_key_name(file: int) -> str:
    """Where a key lies that was generated and waits for its certificate."""
    return f"key/new/{file:04X}"


def rule_of(at: str) -> PinRule:
    """The rule of the PIN at this place, of an ordinance application too."""
    try:
        return Pin(at).rule
    except ValueError:
        return ORDINANCE_PIN
