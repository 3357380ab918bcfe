"""Status words (ステータスワード, ISO/IEC 7816-4 §5.6): the two bytes that end every answer of the card, and nothing but them.

`Refused` is how a room of the card says no. It never leaves the card: `Card.process` turns it into its status word.
"""

from __future__ import annotations

from enum import IntEnum


class Status(IntEnum):
    """Status words this card gives. 63Cx and 61xx carry a number and are made by `tries_left` and `more_waiting`."""

    OK = 0x9000
    MEMORY_FAILURE = 0x6581
    WRONG_LENGTH = 0x6700
    LAST_OF_CHAIN_EXPECTED = 0x6883
    NOT_ALLOWED = 0x6982
    BLOCKED = 0x6983
    NO_REFERENCE_DATA = 0x6984
    CONDITIONS = 0x6985
    NO_CURRENT_FILE = 0x6986
    MESSAGING_MISSING = 0x6987
    MESSAGING_WRONG = 0x6988
    WRONG_DATA = 0x6A80
    NO_SUCH_FUNCTION = 0x6A81
    NOT_FOUND = 0x6A82
    NO_RECORD = 0x6A83
    FULL = 0x6A84
    WRONG_P1_P2 = 0x6A86
    KEY_NOT_FOUND = 0x6A88
    EXISTS = 0x6A89
    WRONG_OFFSET = 0x6B00
    NO_SUCH_INSTRUCTION = 0x6D00
    NO_SUCH_CLASS = 0x6E00
    FAILED = 0x6F00


class Refused(Exception):
    """The card does not do what was asked; `status` is its answer."""

    def __init__(self, status: int) -> None:
        super().__init__(f"{status:04X}")
        self.status = status


def tries_left(tries: int) -> int:
    """63Cx: the PIN was not right, or was not given; x tries (0 to 15) are left."""
    return 0x63C0 | min(tries, 15)


def more_waiting(length: int) -> int:
    """61xx: xx further bytes wait for GET RESPONSE; 00 says 256 or more."""
    return 0x6100 | (length if length < 256 else 0)
