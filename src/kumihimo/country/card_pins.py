"""PINs of a card as its holder chooses them (暗証番号): read from a file, or drawn for a letter that is printed once."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from kumihimo.domain.kernel import Problem, RandomSource
from kumihimo.roles.card.terminal import Pin

_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # none that is taken for another


@dataclass(frozen=True)
class CardPins:
    """What the holder will enter. `signature` is for those who are old enough for a signature certificate."""

    authentication: str = field(repr=False)
    text: str = field(repr=False)
    register: str = field(repr=False)
    signature: str | None = field(default=None, repr=False)

    @classmethod
    def drawn(cls, randomness: RandomSource) -> Self:
        """PINs nobody chose: three times the same four digits, and eight letters and digits."""
        digits = f"{randomness.randbelow(10_000):04d}"
        signature = "".join(_LETTERS[randomness.randbelow(len(_LETTERS))] for _ in range(8))
        return cls(digits, digits, digits, signature)

    @classmethod
    def read(cls, file: Path) -> Self:
        """From TOML with `authentication`, `signature`, and where they differ `text` and `register`.

        Raises Problem(file.unreadable).
        """
        try:
            values = tomllib.loads(file.read_text(encoding="utf-8"))
            unknown = values.keys() - {"authentication", "text", "register", "signature"}
            if unknown or not all(isinstance(one, str) for one in values.values()):
                raise ValueError(f"not as expected: {', '.join(sorted(unknown)) or 'a PIN that is no text'}")
            one = values["authentication"]
            return cls(one, values.get("text", one), values.get("register", one), values.get("signature"))
        except (OSError, ValueError, KeyError) as error:
            raise Problem(
                "file.unreadable", f"{error}", where=str(file),
                expected='TOML with authentication = "four digits" and signature = "6 to 16 of A-Z and 0-9"',
            ) from None  # fmt: skip

    def require(self, *, signs: bool) -> None:
        """Raises Problem(card.pin_format) for a PIN that the card would not take, or one that is missing."""
        chosen = {Pin.AUTHENTICATION: self.authentication, Pin.TEXT: self.text, Pin.REGISTER: self.register}
        if signs:
            chosen[Pin.SIGNATURE] = self.signature or ""
        for which, pin in chosen.items():
            require_form(which, pin)


def require_form(which: Pin, pin: str) -> None:
    """Raises Problem(card.pin_format) for a PIN that the card would not take."""
    if not which.rule.allows(pin):
        raise Problem("card.pin_format", f"{len(pin)} characters", where=which.name.lower(), expected=which.rule.words)


DEMO_PINS: Final = CardPins("1357", "1357", "1357", "KUMIHIMO1")
"""Of the demonstration's card; printed, and worth nothing anywhere else."""
