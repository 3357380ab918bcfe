"""A resident sees who asked about them, with proof, and the portal knows nobody by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kumihimo.domain.codes import public_key, random_scalar
from kumihimo.domain.codes.group import base_mul, mul
from kumihimo.domain.kernel import Problem
from kumihimo.domain.transparency.access_proof import verify_proof_file
from kumihimo.domain.transparency.note import NoteKey
from kumihimo.plumbing.storage import FeedItem
from kumihimo.plumbing.wire.envelope import b64, from_b64, seal_envelope
from kumihimo.plumbing.wire.messages.codes import BlindCode, CodesIssued
from kumihimo.plumbing.wire.messages.inquiry import LogPromise, LogRecord, Outcome, PortalAccess
from kumihimo.roles.portal.service.accounts import ticket_hash
from kumihimo.roles.portal.store import NOBODYS_CODE, UNKNOWN_TICKETS

Code = Callable[[int], bytes]
Ticket = Callable[[int], str]
Make = Callable[..., LogRecord]


def test_an_account_is_a_random_number_until_its_link_code_comes(
    portal: Any, operators: Any, code_of: Code, ticket_of: Ticket, request_of: Make
) -> None:
    account = portal.accounts.open(ticket_of(1), "x-city")
    assert len(bytes.fromhex(account)) == 16
    portal.hear(operators.access(code_of(1), request_of()))
    assert portal.shown(account) == ()
    portal.hear(operators.code(ticket_of(1), code_of(1)))
    assert [one.transaction for one in portal.shown(account)] == [f"{1:032x}"]


def test_records_that_came_before_the_account_are_there_when_it_is_opened(
    portal: Any, operators: Any, code_of: Code, ticket_of: Ticket, request_of: Make
) -> None:
    portal.hear(operators.access(code_of(1), request_of(1)), operators.access(code_of(2), request_of(2)))
    account = portal.accounts.open(ticket_of(1), "x-city")
    portal.hear(operators.code(ticket_of(1), code_of(1)))
    assert [one.transaction for one in portal.shown(account)] == [f"{1:032x}"]


def test_the_newest_access_comes_first_and_each_has_its_own_outcome(
    portal: Any, operators: Any, code_of: Code, ticket_of: Ticket, request_of: Make
) -> None:
    account = portal.accounts.open(ticket_of(1), "x-city")
    first, second = request_of(1), request_of(2)
    portal.hear(
        operators.code(ticket_of(1), code_of(1)),
        operators.access(code_of(1), first),
        operators.access(code_of(1), second),
        operators.outcome(second, Outcome.NONE),
        operators.outcome(first, Outcome.PROVIDED),
    )
    shown = portal.shown(account)
    assert [(one.transaction, one.outcome.outcome) for one in shown] == [
        (f"{2:032x}", Outcome.NONE),
        (f"{1:032x}", Outcome.PROVIDED),
    ]
    assert "該当する情報はありませんでした" in shown[0].sentence_ja
    assert "received" in shown[1].sentence_en


def test_a_refused_replay_of_a_granted_request_does_not_borrow_its_outcome(
    portal: Any, operators: Any, code_of: Code, ticket_of: Ticket, request_of: Make
) -> None:
    account = portal.accounts.open(ticket_of(1), "x-city")
    granted, replay = request_of(1), request_of(1, granted=False)
    portal.hear(
        operators.code(ticket_of(1), code_of(1)),
        operators.access(code_of(1), granted),
        operators.outcome(granted, Outcome.PROVIDED),
        operators.access(code_of(1), replay),
    )
    shown = portal.shown(account)
    assert [one.record.granted for one in shown] == [False, True]
    assert [one.outcome is None for one in shown] == [True, False]


def test_a_proof_appears_once_a_cosigned_checkpoint_has_reached_the_entry_and_can_be_checked_offline(
    portal: Any, operators: Any, code_of: Code, ticket_of: Ticket, request_of: Make
) -> None:
    account = portal.accounts.open(ticket_of(1), "x-city")
    record = request_of(1)
    operators.publish()
    portal.hear(operators.code(ticket_of(1), code_of(1)), operators.access(code_of(1), record))
    (waiting,) = portal.shown(account)
    assert (waiting.proof, waiting.proof_problem) == (None, None)
    operators.publish(witnesses=())
    assert portal.shown(account)[0].proof is None
    operators.publish()
    portal.hear(operators.outcome(record, Outcome.PROVIDED))
    (shown,) = portal.shown(account)
    keys = operators.log_key.verifier_key, [operators.witness.witness_key]
    verified = verify_proof_file(shown.proof, *keys)
    assert verified.index == 0
    assert verified.record == json.loads(record.to_bytes())
    assert shown.outcome_proof is None
    operators.publish()
    (shown,) = portal.shown(account)
    assert verify_proof_file(shown.outcome_proof, *keys).record["outcome"] == "provided"


def test_a_checkpoint_without_cosignature_does_not_take_away_a_proof(
    portal: Any, operators: Any, code_of: Code, ticket_of: Ticket, request_of: Make
) -> None:
    account = portal.accounts.open(ticket_of(1), "x-city")
    portal.hear(operators.code(ticket_of(1), code_of(1)), operators.access(code_of(1), request_of(1)))
    operators.publish()
    before = portal.shown(account)[0].proof
    operators.logged(request_of(9))
    operators.publish(witnesses=(NoteKey.from_seed("stranger.example", bytes(32)),))
    assert portal.shown(account)[0].proof == before


def test_proofs_are_right_in_a_log_of_many_tiles(
    portal: Any, operators: Any, code_of: Code, ticket_of: Ticket, request_of: Make
) -> None:
    account = portal.accounts.open(ticket_of(1), "x-city")
    portal.hear(operators.code(ticket_of(1), code_of(1)))
    for number in range(600):
        if number in (0, 255, 256, 511, 599):
            portal.hear(operators.access(code_of(1), request_of(number)))
        else:
            operators.entries.append(bytes([number % 256]) * 32)
    operators.publish()
    operators.fetched.clear()
    keys = operators.log_key.verifier_key, [operators.witness.witness_key]
    indices = [verify_proof_file(one.proof, *keys).index for one in portal.shown(account)]
    assert indices == [599, 511, 256, 255, 0]
    assert sorted(operators.fetched) == [
        "/log/checkpoint",
        "/log/tile/0/000",
        "/log/tile/0/001",
        "/log/tile/0/002.p/88",
        "/log/tile/1/000.p/2",
    ]


def test_a_log_that_lost_the_entry_is_told_to_the_resident(
    portal: Any, operators: Any, code_of: Code, ticket_of: Ticket, request_of: Make
) -> None:
    account = portal.accounts.open(ticket_of(1), "x-city")
    portal.hear(operators.code(ticket_of(1), code_of(1)), operators.access(code_of(1), request_of(1)))
    operators.entries[0] = bytes(32)
    operators.publish()
    (shown,) = portal.shown(account)
    assert (shown.proof, shown.proof_problem) == (None, "log.proof_invalid")


def test_a_log_that_cannot_be_reached_leaves_the_records_readable(
    portal: Any, operators: Any, code_of: Code, ticket_of: Ticket, request_of: Make
) -> None:
    account = portal.accounts.open(ticket_of(1), "x-city")
    accesses = [operators.access(code_of(1), request_of(number)) for number in range(3)]
    portal.hear(operators.code(ticket_of(1), code_of(1)), *accesses)
    operators.down = True
    assert [one.proof_problem for one in portal.shown(account)] == ["peer.unreachable"] * 3
    assert operators.fetched == ["/log/checkpoint"]


def test_hearing_everything_twice_changes_nothing(
    portal: Any, operators: Any, code_of: Code, ticket_of: Ticket, request_of: Make
) -> None:
    account = portal.accounts.open(ticket_of(1), "x-city")
    code = operators.code(ticket_of(1), code_of(1))
    access, outcome = (
        operators.access(code_of(1), request_of(1)),
        operators.outcome(request_of(1), Outcome.PROVIDED),
    )
    portal.hear(code, access, outcome)
    once = portal.shown(account)
    portal.hear(code, access, outcome)
    assert portal.shown(account) == once


def test_an_unknown_ticket_is_passed_over_and_counted(
    portal: Any, operators: Any, code_of: Code, ticket_of: Ticket
) -> None:
    portal.hear(operators.code(ticket_of(1), code_of(1)), operators.code(ticket_of(2), code_of(2)))
    with portal.store.reading() as transaction:
        assert transaction.counted(UNKNOWN_TICKETS) == 2


def test_a_ticket_opens_one_account_and_belongs_to_the_municipality_that_brought_it(
    portal: Any, ticket_of: Ticket
) -> None:
    account = portal.accounts.open(ticket_of(1), "x-city")
    assert portal.accounts.open(ticket_of(1), "x-city") == account
    with pytest.raises(Problem) as caught:
        portal.accounts.open(ticket_of(1), "y-city")
    assert caught.value.code == "message.replayed"
    with pytest.raises(Problem) as caught:
        portal.accounts.open("c2hvcnQ=", "x-city")
    assert caught.value.code == "message.malformed"


def test_a_person_with_two_accounts_sees_the_same_in_both(
    portal: Any, operators: Any, code_of: Code, ticket_of: Ticket, request_of: Make
) -> None:
    old, new = portal.accounts.open(ticket_of(1), "x-city"), portal.accounts.open(ticket_of(2), "y-city")
    portal.hear(
        operators.code(ticket_of(1), code_of(1)),
        operators.code(ticket_of(2), code_of(1)),
        operators.access(code_of(1), request_of(1)),
    )
    assert portal.shown(old) == portal.shown(new) != ()


def test_an_account_nobody_opened_is_unknown(portal: Any) -> None:
    with pytest.raises(Problem) as caught:
        portal.shown("0" * 32)
    assert caught.value.code == "account.unknown"


@pytest.mark.parametrize("change", ["record", "salt", "transaction", "kind", "signer", "subject"])
def test_an_access_that_operator_one_did_not_promise_stops_the_feed(
    portal: Any, operators: Any, code_of: Code, request_of: Make, edge_of: Any, change: str
) -> None:
    access = operators.access(code_of(1), request_of(1))
    logged = access.logged
    promise = LogPromise.model_validate_json(logged.promise.payload_bytes())
    second = edge_of("hub-2/operator").identity
    wrong: PortalAccess = {
        "record": access.model_copy(
            update={"logged": logged.model_copy(update={"record": request_of(1, requester="y-city")})}
        ),
        "salt": access.model_copy(update={"logged": logged.model_copy(update={"salt": operators.blind(code_of(1))})}),
        "transaction": access.model_copy(update={"transaction": "f" * 32}),
        "kind": PortalAccess.model_validate(
            {**operators.outcome(request_of(1), Outcome.NONE).model_dump(), "subject": access.subject}
        ),
        "signer": access.model_copy(
            update={"logged": logged.model_copy(update={"promise": seal_envelope(promise, second)})}
        ),
        "subject": access.model_copy(update={"subject": "AAAA"}),
    }[change]
    codes = {"salt": "value.invalid", "signer": "message.wrong_signer", "subject": "codes.not_a_point"}
    with pytest.raises(Problem) as caught:
        portal.hear(wrong)
    assert caught.value.code == codes.get(change, "log.proof_invalid")


def test_two_records_promised_at_one_index_are_both_shown_and_only_one_has_a_proof(
    portal: Any, operators: Any, code_of: Code, ticket_of: Ticket, request_of: Make
) -> None:
    """Operator 1 could else hide an access by promising it a place that is taken, or hide all by stopping the feed."""
    account = portal.accounts.open(ticket_of(1), "x-city")
    one = operators.access(code_of(1), request_of(1))
    operators.entries.clear()
    other = operators.access(code_of(1), request_of(2))
    operators.publish()
    portal.hear(operators.code(ticket_of(1), code_of(1)), one, other)
    shown = {access.transaction: access for access in portal.shown(account)}
    assert shown[f"{2:032x}"].proof is not None
    assert (shown[f"{1:032x}"].proof, shown[f"{1:032x}"].proof_problem) == (None, "log.proof_invalid")


def test_a_request_about_nobody_does_not_stop_the_feed(
    portal: Any, operators: Any, code_of: Code, ticket_of: Ticket, request_of: Make
) -> None:
    """An exchange can encrypt the identity point, and no operator can see it: only the portal, when it opens it."""
    account = portal.accounts.open(ticket_of(1), "x-city")
    key, r = public_key(operators.secret), random_scalar()
    of_nobody = b64(base_mul(r) + mul(r, key))
    poison = operators.access(code_of(1), request_of(1)).model_copy(update={"subject": of_nobody})
    portal.hear(
        operators.code(ticket_of(1), code_of(1)),
        poison,
        CodesIssued(codes=(BlindCode(ticket=ticket_of(1), ciphertext=of_nobody),)),
        operators.access(code_of(1), request_of(2)),
    )
    assert [one.transaction for one in portal.shown(account)] == [f"{2:032x}"]
    with portal.store.reading() as transaction:
        assert transaction.counted(NOBODYS_CODE) == 1


def test_a_code_of_nobody_opens_no_account(portal: Any, operators: Any, ticket_of: Ticket) -> None:
    account = portal.accounts.open(ticket_of(1), "x-city")
    key, r = public_key(operators.secret), random_scalar()
    portal.hear(CodesIssued(codes=(BlindCode(ticket=ticket_of(1), ciphertext=b64(base_mul(r) + mul(r, key))),)))
    assert portal.shown(account) == ()


def test_an_item_of_a_kind_nobody_knows_stops_the_feed(portal: Any) -> None:
    for item in (FeedItem(1, "gossip", {}, portal.clock.now()), FeedItem(1, "access", {}, portal.clock.now())):
        with pytest.raises(Problem) as caught, portal.store.transaction() as transaction:
            portal.intake.apply(transaction, item)
        assert caught.value.code == "message.malformed"


def test_the_ticket_is_kept_by_its_hash_only_and_forgotten_when_the_code_has_come(
    portal: Any, operators: Any, code_of: Code, ticket_of: Ticket, tmp_path: Path
) -> None:
    portal.accounts.open(ticket_of(1), "x-city")
    secret = from_b64(ticket_of(1), "ticket")
    assert not any(needle in _stored(tmp_path) for needle in (secret, ticket_of(1).encode(), secret.hex().encode()))
    portal.clock.at += timedelta(minutes=1)
    portal.hear(operators.code(ticket_of(1), code_of(1)))
    with portal.store.reading() as transaction:
        assert transaction.account_awaiting(ticket_hash(ticket_of(1))) is None


def _stored(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.glob("portal.db*"))
