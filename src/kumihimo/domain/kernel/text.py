"""Text as it is compared (照合用の文字列): one normal form, so that width, spaces and case do not part what is the same.

For exact look-up only. Old and new character shapes (髙, 高) stay apart here; name matching (名寄せ) weighs them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Final

from kumihimo.domain.kernel.digits import INVISIBLE
from kumihimo.domain.kernel.errors import Problem

LONGEST_LINE: Final = 200

# Variation selectors choose the drawing of one and the same character (異体字セレクタ).
_SELECTORS: Final = dict.fromkeys([*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0), *range(0x180B, 0x180E)])
_UNSEEN: Final = _SELECTORS | dict.fromkeys(map(ord, INVISIBLE + "\u00ad"))


def comparable(text: str) -> str:
    """NFKC without spaces, unseen characters and case. Applying it twice changes nothing."""
    return until_stable(_folded, text)


def _folded(text: str) -> str:
    # Spaces go after decomposition: a spacing mark such as ゛ decomposes into a space and a combining mark.
    bare = "".join(unicodedata.normalize("NFKD", text).translate(_UNSEEN).split())
    return unicodedata.normalize("NFKC", bare.casefold())


def one_line(text: str, where: str | None = None) -> str:
    """Registered text as it is kept: every run of spaces as one space, none at the ends; characters stay as they are.

    Characters of the private use area (外字) pass. Raises Problem(value.invalid) for control characters, lone surrogates
    and more than 200 characters.
    """
    line = " ".join(text.split())
    if len(line) > LONGEST_LINE:
        raise Problem("value.invalid", f"{len(line)} characters", where, f"at most {LONGEST_LINE}")
    for position, character in enumerate(line, start=1):
        if unicodedata.category(character) in ("Cc", "Cs"):
            raise Problem(
                "value.invalid", f"character {position} is U+{ord(character):04X}", where, "characters that print"
            )
    return line


def until_stable(step: Callable[[str], str], text: str) -> str:
    """`step` applied until it changes nothing; `step` must not lengthen its own result."""
    while (following := step(text)) != text:
        text = following
    return text
