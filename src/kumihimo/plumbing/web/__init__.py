"""What pages share (画面の共通部分): design tokens, the house's look, the script for the card, strict headers.

Tokens are those of the Digital Agency (`@digital-go-jp/design-tokens` 1.1.9, MIT, licence beside it), as they come.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

STATIC: Final = Path(__file__).parent / "static"

# No inline script, no frame around us, nothing from elsewhere; a page of ours is kept nowhere.
HEADERS: Final[dict[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
