"""Base points (符号の生成元): from which every institution's code for one person is made.

Only the registry holds the secret rho. Without it the 10^11 possible resident codes could be tried out against a stolen
code; with it a base point says nothing. The counter is 0 at first and rises by one when a person is re-coded after a leak.
"""

from __future__ import annotations

import hmac
import re
from typing import Final

from kumihimo.domain.codes.group import Point, from_hash
from kumihimo.domain.kernel.errors import Problem

SECRET_BYTES: Final = 32
_RESIDENT_CODE: Final = re.compile(r"[0-9]{11}")
_COUNTER_LIMIT: Final = 2**32


def person_point(rho: bytes, resident_code: str, counter: int) -> Point:
    """P = from_hash(HMAC-SHA512(rho, resident code in ASCII || counter as 4 bytes big-endian)).

    `rho` is the registry's secret of 32 bytes, `resident_code` 11 ASCII digits, `counter` 0 to 2^32 - 1.
    Raises Problem(resident_code.format, value.invalid).
    """
    if len(rho) != SECRET_BYTES:
        raise Problem("value.invalid", f"a registry secret of {len(rho)} bytes", expected=f"{SECRET_BYTES} bytes")
    if not _RESIDENT_CODE.fullmatch(resident_code):
        raise Problem("resident_code.format", f"{len(resident_code)} characters", expected="11 ASCII digits")
    if not 0 <= counter < _COUNTER_LIMIT:
        raise Problem("value.invalid", f"counter {counter}", expected="0 to 2^32 - 1")
    message = resident_code.encode("ascii") + counter.to_bytes(4, "big")
    return from_hash(hmac.digest(rho, message, "sha512"))
