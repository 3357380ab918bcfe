"""Finding and reading (ファイルの選択・読出し): SELECT, READ BINARY, READ RECORD, GET DATA (ISO/IEC 7816-4 §11.2–11.4)."""

from __future__ import annotations

from typing import Final

from kumihimo.roles.card.chip.apdu import Answer, Command
from kumihimo.roles.card.chip.inside import Inside
from kumihimo.roles.card.chip.layout import (
    COMMON,
    JPKI,
    NAMES,
    ORDINANCE_CONTENT,
    ORDINANCE_PIN_FILE,
    READERS,
    SERIAL_SFI,
    Access,
    Key,
    place,
)
from kumihimo.roles.card.chip.status import Refused, Status
from kumihimo.roles.card.chip.tlv import tlv

MASTER_FILE: Final = b"\x3f\x00"
BY_AID: Final = 0x04
BY_FILE: Final = 0x02
NO_ANSWER: Final = 0x0C
FREE_SPACE: Final = 0x0101
ORDINANCES: Final = 0x0102
LIFE: Final = 0x0103
TEMPLATE: Final = 0x61
AID_TAG: Final = 0x4F
ACCESS_TAG: Final = 0x80
_SHORT_FILE: Final = 0x80
_MOST_SHORT_FILE: Final = 0x1E


def select(inside: Inside, command: Command) -> Answer:
    """SELECT (A4): an application by AID, a file of the selected application by its id, or the master file."""
    if command.p2 not in (0x00, NO_ANSWER):
        raise Refused(Status.WRONG_P1_P2)
    if command.p1 == BY_AID:
        name = _application(inside, command.data)
        inside.session.enter(name)
        control = tlv(0x84, command.data)
    elif command.p1 == 0x00 and command.data in (b"", MASTER_FILE):
        inside.session.enter(None)
        control = tlv(0x83, MASTER_FILE)
    elif command.p1 in (0x00, BY_FILE):
        inside.session.file = _file(inside, command.data)
        control = tlv(0x83, command.data)
    else:
        raise Refused(Status.WRONG_P1_P2)
    return Answer() if command.p2 == NO_ANSWER else Answer(tlv(0x6F, control))


def _application(inside: Inside, aid: bytes) -> str:
    name = NAMES.get(aid)
    if name is not None and (name == COMMON or not inside.state.is_blank):
        return name
    if aid.hex() in inside.state.ordinances:
        return aid.hex()
    raise Refused(Status.NOT_FOUND)


def _file(inside: Inside, data: bytes) -> int:
    application = inside.session.application
    if len(data) != 2:
        raise Refused(Status.WRONG_LENGTH)
    file = int.from_bytes(data, "big")
    if application is None or not _exists(inside, application, file):
        raise Refused(Status.NOT_FOUND)
    return file


def _exists(inside: Inside, application: str, file: int) -> bool:
    at = place(application, file)
    if application in inside.state.ordinances:
        return file == ORDINANCE_CONTENT or at in inside.state.pins
    is_key = application == JPKI and file in (key.value for key in Key)
    return is_key or at in inside.state.pins or (at in READERS and at in inside.state.contents)


def read_binary(inside: Inside, command: Command) -> Answer:
    """READ BINARY (B0): from an offset of 15 bits, or with a short file id and an offset of 8. 6B00 behind the end."""
    if command.p1 & _SHORT_FILE:
        file = command.p1 & 0x1F
        if command.p1 & 0x60 or not 1 <= file <= _MOST_SHORT_FILE:
            raise Refused(Status.WRONG_P1_P2)
        inside.session.file = _file(inside, file.to_bytes(2, "big"))
        offset = command.p2
    else:
        offset = command.p1_p2
    content = _content(inside)
    if command.data or not command.expected:
        raise Refused(Status.WRONG_LENGTH)
    if offset >= len(content) and (offset or not content):
        raise Refused(Status.WRONG_OFFSET)
    return Answer(content[offset : offset + command.expected])


def _content(inside: Inside) -> bytes:
    """The selected file, if it may be read now."""
    at = inside.selected()
    session, state = inside.session, inside.state
    application = session.application or ""
    ordinance = state.ordinances.get(application)
    if ordinance is not None:
        if session.file != ORDINANCE_CONTENT:
            raise Refused(Status.NOT_ALLOWED)
        allowed = {
            Access.FREE: True,
            Access.PIN: place(application, ORDINANCE_PIN_FILE) in session.verified,
            Access.TERMINAL: session.office == ordinance.municipality,
        }[ordinance.access]
        at = application
    elif at in READERS and at in state.contents:
        pins = READERS[at]
        allowed = not pins or any(pin.value in session.verified for pin in pins)
    else:  # a PIN or a key
        allowed = False
    if not allowed:
        raise Refused(Status.NOT_ALLOWED)
    return state.contents[at]


def read_record(inside: Inside, command: Command) -> Answer:
    """READ RECORD (B2): the card's serial is record 1 of short file 1 of the common application."""
    if inside.session.application != COMMON:
        raise Refused(Status.NOT_FOUND)
    if command.p2 != SERIAL_SFI << 3 | 0x04:
        raise Refused(Status.WRONG_P1_P2)
    if command.p1 != 1:
        raise Refused(Status.NO_RECORD)
    if not command.expected:
        raise Refused(Status.WRONG_LENGTH)
    return Answer(inside.state.serial.encode())


def get_data(inside: Inside, command: Command) -> Answer:
    """GET DATA (CA): 0101 free and whole space for ordinances (u32 each), 0102 ordinance applications, 0103 blank or not."""
    state = inside.state
    if command.data or not command.expected:
        raise Refused(Status.WRONG_LENGTH)
    if command.p1_p2 == FREE_SPACE:
        return Answer(state.free_space.to_bytes(4, "big") + state.capacity.to_bytes(4, "big"))
    if command.p1_p2 == ORDINANCES:
        entries = (
            tlv(TEMPLATE, tlv(AID_TAG, bytes.fromhex(aid)) + tlv(ACCESS_TAG, bytes((one.access.value,))))
            for aid, one in sorted(state.ordinances.items())
        )
        return Answer(b"".join(entries))
    if command.p1_p2 == LIFE:
        return Answer(b"\0" if state.is_blank else b"\1")
    raise Refused(Status.WRONG_P1_P2)
