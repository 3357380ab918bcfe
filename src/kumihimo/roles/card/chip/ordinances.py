"""Ordinance applications (条例利用アプリケーション, 番号法第十八条第一号): their municipality alone makes and changes them.

An application's AID carries the code of its municipality, and so says whose it is. Space is counted: contents and an
overhead for each; what does not fit is refused (6A84) and nothing is changed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from kumihimo.roles.card.chip.apdu import Answer, Command
from kumihimo.roles.card.chip.inside import Inside
from kumihimo.roles.card.chip.layout import ORDINANCE_PIN_FILE, Access, municipality_of, place
from kumihimo.roles.card.chip.pins import with_new_pin
from kumihimo.roles.card.chip.reading import ACCESS_TAG, AID_TAG
from kumihimo.roles.card.chip.state import CardState, Ordinance
from kumihimo.roles.card.chip.status import Refused, Status
from kumihimo.roles.card.chip.tlv import one_each

CONTENT_TAG: Final = 0x81
PIN_TAG: Final = 0x82
MOST_CONTENT: Final = 0x7FFF
"""As far as READ BINARY reaches, in bytes."""


def create_ordinance(inside: Inside, command: Command) -> Answer:
    """CREATE FILE (E0), sealed: AID (4F), access (80), content (81) and, for access by PIN, the PIN (82).

    6982 where the AID or the card is another municipality's, 6A89 where there is such an application, 6A84 where no
    space is left, 6985 on a blank card, 6A80 for other bytes.
    """
    office = inside.require_office()
    state = inside.state
    found = _found(command, {AID_TAG, ACCESS_TAG, CONTENT_TAG}, may={PIN_TAG})
    aid = found[AID_TAG]
    try:
        access = Access(int.from_bytes(found[ACCESS_TAG], "big"))
    except ValueError as error:
        raise Refused(Status.WRONG_DATA) from error
    if (access is Access.PIN) != (PIN_TAG in found) or municipality_of(aid) is None:
        raise Refused(Status.WRONG_DATA)
    if state.is_blank:
        raise Refused(Status.CONDITIONS)
    if state.municipality != office or municipality_of(aid) != office:
        raise Refused(Status.NOT_ALLOWED)
    if aid.hex() in state.ordinances:
        raise Refused(Status.EXISTS)
    made = replace(state, ordinances={**state.ordinances, aid.hex(): Ordinance(office, access)})
    made = made.with_contents({aid.hex(): found[CONTENT_TAG]})
    if access is Access.PIN:
        made = with_new_pin(made, place(aid.hex(), ORDINANCE_PIN_FILE), found[PIN_TAG])
    _commit_if_it_fits(inside, made)
    return Answer()


def update_ordinance(inside: Inside, command: Command) -> Answer:
    """PUT DATA 0201, sealed: AID (4F) and its new content (81). The PIN, its tries and the access stay as they are."""
    found = _found(command, {AID_TAG, CONTENT_TAG})
    aid = _own(inside, found[AID_TAG])
    _commit_if_it_fits(inside, inside.state.with_contents({aid: found[CONTENT_TAG]}))
    return Answer()


def delete_ordinance(inside: Inside, command: Command) -> Answer:
    """DELETE FILE (E4), sealed: AID (4F). Its space is free again."""
    if command.p1_p2:
        raise Refused(Status.WRONG_P1_P2)
    aid = _own(inside, _found(command, {AID_TAG})[AID_TAG])
    state = inside.state
    ordinances = {name: one for name, one in state.ordinances.items() if name != aid}
    pins = {at: pin for at, pin in state.pins.items() if at != place(aid, ORDINANCE_PIN_FILE)}
    inside.commit(replace(state, ordinances=ordinances, pins=pins).with_contents({}, without={aid}))
    if inside.session.application == aid:
        inside.session.enter(None)
    return Answer()


def _own(inside: Inside, aid: bytes) -> str:
    """The name of an application of the office whose command this is."""
    office = inside.require_office()
    ordinance = inside.state.ordinances.get(aid.hex())
    if ordinance is None:
        raise Refused(Status.NOT_FOUND)
    if ordinance.municipality != office:
        raise Refused(Status.NOT_ALLOWED)
    return aid.hex()


def _found(command: Command, must: set[int], may: set[int] | None = None) -> dict[int, bytes]:
    try:
        found = one_each(command.data)
    except ValueError as error:
        raise Refused(Status.WRONG_DATA) from error
    if not must <= found.keys() or not found.keys() <= must | (may or set()):
        raise Refused(Status.WRONG_DATA)
    if not found.get(CONTENT_TAG, b"x"):
        raise Refused(Status.WRONG_DATA)
    return found


def _commit_if_it_fits(inside: Inside, state: CardState) -> None:
    if state.free_space < 0 or any(len(state.contents[aid]) > MOST_CONTENT for aid in state.ordinances):
        raise Refused(Status.FULL)
    inside.commit(state)
