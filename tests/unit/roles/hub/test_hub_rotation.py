"""The operators move an institution's codes only as it signed, as it is logged, and each by its own check."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from hub_country import HUB_1, HUB_2, PORTAL, Caller, HubCountry, X, Y, point_of

from kumihimo.domain.codes import decrypt, encrypt, public_key, random_scalar
from kumihimo.domain.kernel.errors import Problem
from kumihimo.plumbing.wire.envelope import b64, from_b64
from kumihimo.plumbing.wire.link_keys import LinkKeys
from kumihimo.plumbing.wire.messages.inquiry import EntryKind, LoggedRecord
from kumihimo.plumbing.wire.messages.rotation import (
    CodesRotated,
    DomainMoved,
    DomainShown,
    MoveDomain,
    Phase,
    RelayMove,
    RotateCodes,
    ShowDomain,
)
from kumihimo.plumbing.wire.moving_codes import MovingCodes

REASON = "漏えいのおそれ"


def key(party: Caller, epoch: int) -> bytes:
    institution = party.edge.party.partition("/")[0]
    return LinkKeys(party.edge, party.wire).secret(f"{institution}#{epoch}")


def step(party: Caller, phase: Phase, epoch: int, **changes: Any) -> DomainMoved:
    fields = {"institution": party.edge.party.partition("/")[0], "phase": phase, "epoch": epoch, "reason": REASON}
    message = party.message(MoveDomain, **{**fields, **changes})
    return party.wire.send("/domain-moves", message, DomainMoved).value


def batch(party: Caller, names: tuple[str, ...], epoch: int = 2) -> RotateCodes:
    public = public_key(key(party, epoch - 1))
    codes = tuple(b64(encrypt(point_of(name), public, random_scalar())) for name in names)
    message: RotateCodes = party.message(
        RotateCodes, transaction=secrets.token_hex(16), institution="y-city", epoch=epoch, codes=codes
    )
    return message


def rotate(party: Caller, message: RotateCodes) -> tuple[str, ...]:
    return party.wire.send("/rotations", message, CodesRotated).value.codes


@pytest.fixture
def y(country: HubCountry) -> Caller:
    """Y市, with its next epoch open."""
    caller = country.party(Y)
    step(caller, Phase.OPEN, 2)
    return caller


def refused(call: Any, *arguments: Any) -> str:
    with pytest.raises(Problem) as caught:
        call(*arguments)
    return caught.value.code


def test_codes_come_back_in_order_each_moved_by_the_same_factor(country: HubCountry, y: Caller) -> None:
    names = ("花子", "太郎", "さくら")
    first = [decrypt(from_b64(code, "codes"), key(y, 2)) for code in rotate(y, batch(y, names))]
    again = [decrypt(from_b64(code, "codes"), key(y, 2)) for code in rotate(y, batch(y, names[::-1]))]
    assert first == again[::-1]
    assert len(set(first)) == 3
    assert not {point_of(name) for name in names} & set(first)
    (moved,) = MovingCodes(y.edge, y.wire, LinkKeys(y.edge, y.wire).secret).moved([point_of("花子")], 2)
    assert moved == (point_of("花子"), first[0])


def test_the_log_has_each_step_before_it_is_taken(country: HubCountry, y: Caller) -> None:
    country.down = {HUB_2}
    assert refused(step, y, Phase.SWAP, 2) == "operator.unreachable"
    country.down = set()
    shown = y.wire.send("/shown-domains", y.message(ShowDomain), DomainShown).value
    assert (shown.present, shown.opened) == (1, (1, 2))
    step(y, Phase.SWAP, 2)
    steps = [(one.affair, one.count) for one in country.log() if one.entry is EntryKind.ROTATION]
    assert steps == [("rotation.open", 2), ("rotation.swap", 2), ("rotation.swap", 2)]
    before = len(country.log())
    step(y, Phase.SWAP, 2)
    assert len(country.log()) == before, "a step taken before is no further entry"


def test_both_operators_keep_the_public_key_of_a_closed_epoch_for_audits(country: HubCountry, y: Caller) -> None:
    old, new = public_key(key(y, 1)), public_key(key(y, 2))
    step(y, Phase.SWAP, 2)
    step(y, Phase.CLOSE, 1)
    for hub in (HUB_1, HUB_2):
        assert country.operators[hub].domains.public_key("y-city", 1) == old
        assert country.operators[hub].domains.public_key("y-city", 2) is None
        assert country.operators[hub].translator.public_key_of("y-city#2") == new


def test_both_operators_hold_every_step_against_the_state_they_know_themselves(country: HubCountry, y: Caller) -> None:
    country.operators[HUB_1].domains.move("y-city", Phase.SWAP, 2, country.clock.now())
    codes = len(country.party(PORTAL).feed(HUB_2))
    assert refused(step, y, Phase.CLOSE, 1) == "rotation.conflict"  # operator 2 never heard of the swap
    assert country.operators[HUB_2].domains.open_epochs("y-city") == [1, 2]
    assert len(country.party(PORTAL).feed(HUB_2)) == codes


def opened(country: HubCountry) -> LoggedRecord:
    """The first step, as operator 1 logged it."""
    (one,) = [one.logged for one in country.overseen() if one.logged.record.entry is EntryKind.ROTATION]
    return one


def test_operator_2_takes_no_step_that_the_holder_did_not_sign_or_the_log_does_not_say(
    country: HubCountry, y: Caller
) -> None:
    one = country.party(HUB_1)
    logged = opened(country)
    swap = y.message(MoveDomain, institution="y-city", phase=Phase.SWAP, epoch=2, reason="r")
    forged = country.edge(HUB_1).answer(swap)
    relay = one.message(RelayMove, HUB_2, move=forged, logged=logged)
    assert refused(one.wire.send, "/relayed-moves", relay, DomainMoved) == "message.wrong_signer"
    other = y.edge.answer(swap)
    relay = one.message(RelayMove, HUB_2, move=other, logged=logged)
    assert refused(one.wire.send, "/relayed-moves", relay, DomainMoved) == "log.proof_invalid"
    relay = y.message(RelayMove, HUB_2, move=other, logged=logged)
    assert refused(y.wire.send, "/relayed-moves", relay, DomainMoved) == "peer.not_allowed"
    assert country.operators[HUB_2].domains.present("y-city") == 1


def test_an_operator_that_moves_codes_by_a_factor_of_its_own_is_found_by_the_other(
    country: HubCountry, y: Caller
) -> None:
    """Operator 1 passes on what it translated to another domain: no proof of it holds."""
    honest = country.operators[HUB_1].translator.hop

    def cheating(ciphertexts: Any, source: str, target: str, **fields: Any) -> list[bytes]:
        return honest(ciphertexts, source, "x-city#1" if target == "y-city#2" else target, **fields)

    country.operators[HUB_1].translator.hop = cheating  # type: ignore[method-assign]
    try:
        assert refused(rotate, y, batch(y, ("花子",))) == "codes.proof_invalid"
    finally:
        country.operators[HUB_1].translator.hop = honest  # type: ignore[method-assign]
    assert rotate(y, batch(y, ("花子",)))


def test_nobody_moves_codes_of_another_or_into_an_epoch_that_is_not_open(country: HubCountry, y: Caller) -> None:
    x, message = country.party(X), batch(y, ("花子",))
    theirs = x.message(RotateCodes, **message.model_dump(include={"transaction", "institution", "epoch", "codes"}))
    assert refused(rotate, x, theirs) == "peer.not_allowed"
    with pytest.raises(Problem, match=r"peer\.not_allowed"):
        step(x, Phase.OPEN, 2, institution="y-city")
    said = message.model_dump(include={"institution", "codes"})
    for epoch in (1, 3):
        later = y.message(RotateCodes, **said, epoch=epoch, transaction="0" * 32)
        assert refused(rotate, y, later) == "codes.epoch_closed"
    assert [one.entry for one in country.log()].count(EntryKind.REJECTED) == 4


def test_a_batch_is_taken_once(country: HubCountry, y: Caller) -> None:
    message = batch(y, ("花子",))
    rotate(y, message)
    assert refused(rotate, y, message) == "message.replayed"
