"""The oversight body as witness: it cosigns growth, and nothing else."""

from datetime import UTC, datetime

import pytest

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.transparency.checkpoint import Checkpoint, open_checkpoint
from kumihimo.domain.transparency.merkle import EMPTY_ROOT, consistency_proof, root_of
from kumihimo.domain.transparency.note import NoteKey
from kumihimo.domain.transparency.witness import (
    AddCheckpoint,
    WitnessedState,
    WitnessRefusal,
    decide,
    parse_cosignatures,
)

NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)
ORIGIN = "log.kumihimo.example"


@pytest.fixture
def ask(log_key, oversight_key):
    """Ask the witness, which stands at `stored`, over the wire's text, about a state of a log."""

    def asked(log, size, stored, *, old=None, key=log_key, origin=ORIGIN, proof=None):
        old = stored.size if old is None else old
        if proof is None:
            proof = consistency_proof(log.tree(), old, size) if old <= size else ()
        note = Checkpoint(origin, size, root_of(log.tree(), size)).signed(key)
        request = AddCheckpoint.parse(str(AddCheckpoint(old, proof, str(note))))
        return decide(request, {ORIGIN: log_key.verifier_key}, {ORIGIN: stored}, oversight_key, NOON)

    return asked


def state_of(log, size):
    return WitnessedState(size, root_of(log.tree(), size))


def test_a_log_that_only_grew_is_cosigned(ask, log_of_300, log_key, oversight_key):
    accepted = ask(log_of_300, 300, state_of(log_of_300, 123))
    assert accepted.state == state_of(log_of_300, 300)
    (line,) = parse_cosignatures(accepted.cosignature.line())
    note = accepted.checkpoint.note.with_signatures([line])
    opened = open_checkpoint(str(note), log_key.verifier_key, [oversight_key.witness_key])
    assert opened.cosigned[0].at == NOON


def test_the_first_checkpoint_ever_is_cosigned_without_proof(ask, log_of_300, log_key, oversight_key):
    assert ask(log_of_300, 300, WitnessedState()).state.size == 300
    note = Checkpoint(ORIGIN, 0, EMPTY_ROOT).signed(log_key)
    accepted = decide(AddCheckpoint(0, (), str(note)), {ORIGIN: log_key.verifier_key}, {}, oversight_key, NOON)
    assert accepted.state == WitnessedState()


def test_an_unchanged_log_is_cosigned_again(ask, log_of_300):
    assert ask(log_of_300, 300, state_of(log_of_300, 300)).state.size == 300


def test_a_split_view_of_the_same_size_is_refused(ask, log_of_300, new_log, leaves):
    other = new_log()
    other.append([*leaves(0, 299), *leaves(7, 8, b"hidden")])
    with pytest.raises(WitnessRefusal) as caught:
        ask(other, 300, state_of(log_of_300, 300))
    assert (caught.value.code, caught.value.witness_status) == ("log.inconsistent", 409)
    assert caught.value.stored_size is None
    assert caught.value.checkpoint is not None


def test_a_split_view_that_has_grown_is_refused_with_the_evidence(ask, log_of_300, new_log, leaves):
    other = new_log()
    other.append([*leaves(0, 5), *leaves(5, 6, b"rewritten"), *leaves(6, 300)])
    with pytest.raises(WitnessRefusal) as caught:
        ask(other, 300, state_of(log_of_300, 200))
    assert (caught.value.code, caught.value.witness_status) == ("log.inconsistent", 422)
    assert caught.value.checkpoint is not None
    assert caught.value.checkpoint.checkpoint.root == root_of(other.tree(), 300)


def test_a_missing_consistency_proof_is_refused(ask, log_of_300):
    with pytest.raises(WitnessRefusal) as caught:
        ask(log_of_300, 300, state_of(log_of_300, 200), proof=())
    assert (caught.value.code, caught.value.witness_status) == ("log.inconsistent", 422)


def test_a_proof_for_a_first_checkpoint_is_refused(ask, log_of_300):
    with pytest.raises(WitnessRefusal) as caught:
        ask(log_of_300, 300, WitnessedState(), proof=(bytes(32),))
    assert caught.value.witness_status == 422


@pytest.mark.parametrize("old", [0, 100, 250])
def test_a_log_that_names_another_old_size_learns_the_stored_one(ask, log_of_300, old):
    with pytest.raises(WitnessRefusal) as caught:
        ask(log_of_300, 300, state_of(log_of_300, 200), old=old)
    assert (caught.value.code, caught.value.witness_status) == ("log.old_size_differs", 409)
    assert caught.value.stored_size == 200


def test_a_log_that_shrank_is_refused(ask, log_of_300):
    with pytest.raises(WitnessRefusal) as caught:
        ask(log_of_300, 100, state_of(log_of_300, 200))
    assert (caught.value.code, caught.value.witness_status) == ("log.checkpoint_invalid", 400)


def test_a_checkpoint_signed_by_somebody_else_is_refused(ask, log_of_300, outsider_key):
    impostor = NoteKey.from_seed(ORIGIN, bytes(32))
    for key in (outsider_key, impostor):
        with pytest.raises(WitnessRefusal) as caught:
            ask(log_of_300, 300, WitnessedState(), key=key)
        assert (caught.value.code, caught.value.witness_status) == ("message.wrong_signer", 403)


def test_a_forged_signature_is_refused(log_of_300, log_key, oversight_key):
    document = str(Checkpoint(ORIGIN, 300, root_of(log_of_300.tree(), 300)).signed(log_key))
    forged = AddCheckpoint(0, (), document.replace("\n300\n", "\n301\n"))
    with pytest.raises(WitnessRefusal) as caught:
        decide(forged, {ORIGIN: log_key.verifier_key}, {}, oversight_key, NOON)
    assert (caught.value.code, caught.value.witness_status) == ("message.wrong_signer", 403)


def test_a_log_that_is_not_watched_is_refused(ask, log_of_300):
    with pytest.raises(WitnessRefusal) as caught:
        ask(log_of_300, 300, WitnessedState(), origin="other.example")
    assert (caught.value.code, caught.value.witness_status) == ("log.origin_unknown", 404)


def test_what_is_not_a_checkpoint_is_refused(log_key, oversight_key):
    request = AddCheckpoint(0, (), f"{ORIGIN}\nno checkpoint\n")
    with pytest.raises(WitnessRefusal) as caught:
        decide(request, {ORIGIN: log_key.verifier_key}, {}, oversight_key, NOON)
    assert (caught.value.code, caught.value.witness_status) == ("log.checkpoint_invalid", 400)


def test_the_request_body_has_the_form_of_the_specification():
    hashes = ["PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=", "jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk="]
    body = f"old 20852014\n{hashes[0]}\n{hashes[1]}\n\nexample.com/behind-the-sofa\n20852163\nCsUY\n\n— a b\n"
    request = AddCheckpoint.parse(body)
    assert request.old_size == 20852014
    assert len(request.proof) == 2
    assert request.checkpoint.startswith("example.com/behind-the-sofa\n")
    assert str(request) == body
    assert AddCheckpoint.parse("old 0\n\ncheckpoint").proof == ()


@pytest.mark.parametrize(
    "body",
    [
        "",
        "old 5\n",
        "old\n\ncheckpoint",
        "old 05\n\ncheckpoint",
        "old -1\n\ncheckpoint",
        "new 5\n\ncheckpoint",
        "old 5\nnot base64\n\ncheckpoint",
        "old 5\n" + "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n" * 64 + "\ncheckpoint",
    ],
)
def test_a_body_of_another_form_is_refused(body):
    with pytest.raises(Problem) as caught:
        AddCheckpoint.parse(body)
    assert caught.value.code == "message.malformed"


@pytest.mark.parametrize("answer", ["", "\n", "— a AAAAAAA=", "200 OK\n"])
def test_an_answer_without_signature_lines_is_refused(answer):
    with pytest.raises(Problem) as caught:
        parse_cosignatures(answer)
    assert caught.value.code == "message.malformed"
