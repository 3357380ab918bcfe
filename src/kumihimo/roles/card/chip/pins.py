"""PINs (暗証番号・照合番号): VERIFY, CHANGE REFERENCE DATA, RESET RETRY COUNTER (ISO/IEC 7816-4 §11.6.6–11.6.10).

A try is taken away durably before the PIN is compared, and given back durably after it was right. Cutting the power at
any moment therefore can lose a try and never win one.
"""

from __future__ import annotations

import hmac
from typing import Final

from kumihimo.roles.card.chip.apdu import Answer, Command
from kumihimo.roles.card.chip.handshake import framed
from kumihimo.roles.card.chip.inside import Inside
from kumihimo.roles.card.chip.layout import UNCHANGEABLE
from kumihimo.roles.card.chip.state import PIN_SECRET, CardState, PinRecord, rule_of
from kumihimo.roles.card.chip.status import Refused, Status, tries_left

SELECTED: Final = 0x80
"""P2: the PIN whose file is selected."""
NEW_ONLY: Final = 0x01
"""P1 of CHANGE: the data are the new PIN; the old one was verified just before."""
UNLOCK_WITH_NEW: Final = 0x02
UNLOCK_ONLY: Final = 0x03
_FIXED: Final = frozenset(pin.value for pin in UNCHANGEABLE)


def verify(inside: Inside, command: Command) -> Answer:
    """VERIFY (20): 9000, 63Cx with the tries left, 6983 locked, 6A80 for what cannot be such a PIN (no try is taken).

    Without data it tells the tries left and changes nothing.
    """
    if command.p1_p2 != SELECTED:
        raise Refused(Status.WRONG_P1_P2)
    at, record = _selected_pin(inside)
    if not command.data:
        return Answer(status=tries_left(record.tries if record.verifier else 0))
    try_pin(inside, at, command.data)
    inside.session.verified.add(at)
    return Answer()


def try_pin(inside: Inside, at: str, given: bytes) -> None:
    """Compare a PIN, durably counting. Raises Refused 63Cx, 6983, 6984 (none was ever set), 6A80."""
    record = inside.state.pins[at]
    if record.verifier is None:
        raise Refused(Status.NO_REFERENCE_DATA)
    if record.tries == 0:
        raise Refused(Status.BLOCKED)
    pin = _well_formed(at, given)
    inside.session.verified.discard(at)
    inside.commit(inside.state.with_pin(at, PinRecord(record.verifier, record.tries - 1)))
    if not hmac.compare_digest(verifier(inside.state, at, pin), record.verifier):
        raise Refused(tries_left(record.tries - 1))
    inside.commit(inside.state.with_pin(at, PinRecord(record.verifier, rule_of(at).tries)))


def change(inside: Inside, command: Command) -> Answer:
    """CHANGE REFERENCE DATA (24): a new PIN, after the old one was verified in this session."""
    if command.p1_p2 != NEW_ONLY << 8 | SELECTED:
        raise Refused(Status.WRONG_P1_P2)
    at, _ = _selected_pin(inside)
    if at not in inside.session.verified:
        raise Refused(Status.NOT_ALLOWED)
    if at in _FIXED:
        raise Refused(Status.NO_SUCH_FUNCTION)
    inside.commit(with_new_pin(inside.state, at, command.data))
    return Answer()


def unlock(inside: Inside, command: Command) -> Answer:
    """RESET RETRY COUNTER (2C), sealed by an office: a new PIN (P1 02), or all tries again for a printed one (P1 03).

    Any municipality's office may: residents come to the nearest one. Ordinance PINs are their municipality's alone.
    """
    office = inside.require_office()
    at, record = _selected_pin(inside)
    ordinance = inside.state.ordinances.get(inside.session.application or "")
    if ordinance is not None and ordinance.municipality != office:
        raise Refused(Status.NOT_ALLOWED)
    if record.verifier is None:
        raise Refused(Status.NO_REFERENCE_DATA)
    if command.p2 != SELECTED or command.p1 != (UNLOCK_ONLY if at in _FIXED else UNLOCK_WITH_NEW):
        raise Refused(Status.WRONG_P1_P2)
    inside.session.verified.discard(at)
    if at in _FIXED:
        if command.data:
            raise Refused(Status.WRONG_LENGTH)
        inside.commit(inside.state.with_pin(at, PinRecord(record.verifier, rule_of(at).tries)))
    else:
        inside.commit(with_new_pin(inside.state, at, command.data))
    return Answer()


def with_new_pin(state: CardState, at: str, given: bytes) -> CardState:
    """The state with this PIN and all its tries. Raises Refused(6A80) for a PIN of the wrong form."""
    return state.with_pin(at, PinRecord(verifier(state, at, _well_formed(at, given)), rule_of(at).tries))


def verifier(state: CardState, at: str, pin: str) -> bytes:
    """What the card keeps in place of a PIN: a MAC under a secret of its own, so that no PIN stands on the disk."""
    return hmac.digest(state.contents[PIN_SECRET], framed(at.encode(), pin.encode()), "sha256")


def _well_formed(at: str, given: bytes) -> str:
    try:
        pin = given.decode("ascii")
    except UnicodeDecodeError as error:
        raise Refused(Status.WRONG_DATA) from error
    if not rule_of(at).allows(pin):
        raise Refused(Status.WRONG_DATA)
    return pin


def _selected_pin(inside: Inside) -> tuple[str, PinRecord]:
    at = inside.selected()
    record = inside.state.pins.get(at)
    if record is None:
        raise Refused(Status.NO_CURRENT_FILE)
    return at, record
