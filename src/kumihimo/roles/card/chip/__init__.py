"""The card itself (カード): applications, PINs, keys and secure messaging, on a disk of its own. A stand-in in software.

A real card keeps its keys in a chip that does not give them away. This one keeps them in a folder, and says so there and
whenever it is started; everything else is meant to be as on a real one.
"""

from kumihimo.roles.card.chip.card import Card
from kumihimo.roles.card.chip.disk import Disk, FolderDisk
from kumihimo.roles.card.chip.keys import Algorithm
from kumihimo.roles.card.chip.layout import Access, Key, Pin, ordinance_aid
from kumihimo.roles.card.chip.manufacture import manufacture
from kumihimo.roles.card.chip.state import CAPACITY, ORDINANCE_OVERHEAD

__all__ = [
    "CAPACITY",
    "ORDINANCE_OVERHEAD",
    "Access",
    "Algorithm",
    "Card",
    "Disk",
    "FolderDisk",
    "Key",
    "Pin",
    "manufacture",
    "ordinance_aid",
]
