"""Tests in a real browser; what they share is in `card_town`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "card"))  # card_in_slot

from card_town import attended, driver, pins, screen, town, unattended

__all__ = ["attended", "driver", "pins", "screen", "town", "unattended"]
