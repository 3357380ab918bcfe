"""A resident's proof file: what it shows, and every way of tampering with it."""

import base64
import json
from datetime import UTC, datetime

import pytest

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.sealing import canonical_json, commit
from kumihimo.domain.transparency.access_proof import AccessProof, make_access_proof, verify_proof_file
from kumihimo.domain.transparency.checkpoint import Checkpoint
from kumihimo.domain.transparency.merkle import inclusion_proof, leaf_hash, root_of
from kumihimo.domain.transparency.note import VerifierKey
from kumihimo.domain.transparency.proof import TlogProof

NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)
RECORD = {
    "requester": "city.x",
    "provider": "city.y",
    "affair": "児童手当",
    "items": ["local_tax"],
    "granted": True,
    "logged_at": "2026-04-01T11:59:59Z",
}
SALT = bytes(range(100, 132))


@pytest.fixture
def log_with_record(new_log, leaves):
    """A log of 300 entries whose entry 123 commits to the record."""
    log = new_log()
    log.append([*leaves(0, 123), leaf_hash(commit(SALT, canonical_json(RECORD))), *leaves(124, 300)])
    return log


@pytest.fixture
def proof(log_with_record, log_key, oversight_key):
    tree = log_with_record.tree()
    checkpoint = Checkpoint(log_key.name, 300, root_of(tree, 300))
    note = checkpoint.signed(log_key).with_signatures([oversight_key.cosign(checkpoint.text, NOON)])
    tlog_proof = TlogProof(123, inclusion_proof(tree, 123, 300), str(note))
    return make_access_proof(RECORD, SALT, tlog_proof, log_key.verifier_key, [oversight_key.witness_key])


@pytest.fixture
def check(log_key, oversight_key):
    def checked(document):
        return verify_proof_file(document, log_key.verifier_key, [oversight_key.witness_key])

    return checked


def test_a_resident_sees_record_place_and_time(proof, check):
    verified = check(proof.to_json())
    assert verified.record == RECORD
    assert (verified.index, verified.checkpoint.size) == (123, 300)
    assert [(witness.key.name, witness.at) for witness in verified.witnesses] == [("oversight.kumihimo.example", NOON)]
    assert "児童手当" in proof.to_json()


def test_the_file_has_exactly_the_published_fields(proof):
    assert sorted(json.loads(proof.to_json())) == [
        "entry", "format", "log_key", "record", "salt", "tlog_proof", "witness_keys",
    ]  # fmt: skip
    assert AccessProof.parse(proof.to_json()) == proof


def test_the_spelling_of_the_json_does_not_matter(proof, check):
    assert check(json.dumps(json.loads(proof.to_json()), sort_keys=True, ensure_ascii=True).encode()).index == 123


def test_the_kept_example_file_still_verifies(vectors):
    kept = vectors("access_proof.json")
    log_key = "log.kumihimo.example+"
    assert kept["log_key"].startswith(log_key)
    verified = verify_proof_file(
        json.dumps(kept), VerifierKey.parse(kept["log_key"]), [VerifierKey.parse(key) for key in kept["witness_keys"]]
    )
    assert verified.record == RECORD
    assert (verified.index, verified.checkpoint.size, verified.witnesses[0].at) == (123, 300, NOON)


def changed(proof, **fields):
    return json.dumps({**json.loads(proof.to_json()), **fields})


def other_base64(text):
    data = bytearray(base64.b64decode(text))
    data[0] ^= 1
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("name", "value"),
    [("requester", "city.z"), ("granted", False), ("items", []), ("items", ["local_tax", "pension"]), ("extra", 1)],
)
def test_a_changed_record_is_found(proof, check, name, value):
    with pytest.raises(Problem) as caught:
        check(changed(proof, record={**RECORD, name: value}))
    assert (caught.value.code, caught.value.where) == ("log.proof_invalid", "entry")


@pytest.mark.parametrize("name", ["salt", "entry"])
def test_a_changed_salt_or_entry_is_found(proof, check, name):
    with pytest.raises(Problem) as caught:
        check(changed(proof, **{name: other_base64(getattr(proof, name))}))
    assert (caught.value.code, caught.value.where) == ("log.proof_invalid", "entry")


def test_another_record_with_its_own_entry_is_not_in_the_log(proof, check):
    record = {**RECORD, "requester": "city.z"}
    entry = base64.b64encode(commit(SALT, canonical_json(record))).decode()
    with pytest.raises(Problem) as caught:
        check(changed(proof, record=record, entry=entry))
    assert (caught.value.code, caught.value.where) == ("log.proof_invalid", "proof")
    assert "root" in str(caught.value.expected)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("index 123", "index 122", "log.proof_invalid"),
        ("index 123", "index 300", "log.proof_invalid"),
        ("\n300\n", "\n301\n", "log.checkpoint_invalid"),
        ("log.kumihimo.example\n300", "log.kumihimo.exampel\n300", "log.checkpoint_invalid"),
        ("— log.kumihimo.example ", "— log.kumihimo.exampel ", "log.checkpoint_invalid"),
        ("— oversight.kumihimo.example ", "— oversight.kumihimo.exampel ", "log.checkpoint_invalid"),
        ("tlog-proof@v1", "tlog-proof@v2", "log.proof_invalid"),
    ],
)
def test_a_changed_proof_is_found(proof, check, old, new, code):
    assert old in proof.tlog_proof
    with pytest.raises(Problem) as caught:
        check(changed(proof, tlog_proof=proof.tlog_proof.replace(old, new)))
    assert caught.value.code == code


def test_every_changed_character_of_the_proof_text_is_found(proof, check):
    text = proof.tlog_proof
    for place in range(len(text)):
        replacement = "B" if text[place] != "B" else "C"
        with pytest.raises(Problem) as caught:
            check(changed(proof, tlog_proof=text[:place] + replacement + text[place + 1 :]))
        assert caught.value.code in {"log.proof_invalid", "log.checkpoint_invalid"}


def test_keys_named_in_the_file_are_not_trusted(proof, outsider_key, oversight_key, log_key):
    with pytest.raises(Problem) as caught:
        verify_proof_file(proof.to_json(), outsider_key.verifier_key, [oversight_key.witness_key])
    assert caught.value.code == "log.checkpoint_invalid"
    with pytest.raises(Problem) as caught:
        verify_proof_file(proof.to_json(), log_key.verifier_key, [outsider_key.witness_key])
    assert caught.value.code == "log.checkpoint_invalid"


@pytest.mark.parametrize(
    ("field", "value", "where"),
    [
        ("format", "kumihimo-access-proof/v2", "format"),
        ("record", [], "record"),
        ("record", {"amount": 1.5}, "$.amount"),
        ("record", {"amount": 2**60}, "$.amount"),
        ("salt", "AAAA", "record"),
        ("salt", "not base64", "salt"),
        ("salt", 5, "salt"),
        ("entry", "", "entry"),
        ("witness_keys", "none", "witness_keys"),
        ("surprise", 1, "surprise"),
    ],
)
def test_a_file_of_another_form_is_refused_where_it_differs(proof, check, field, value, where):
    with pytest.raises(Problem) as caught:
        check(changed(proof, **{field: value}))
    assert (caught.value.code, caught.value.where) == ("log.proof_invalid", where)


@pytest.mark.parametrize(
    "document",
    ["", "[]", "null", "not json", b"\xff\xfe\x00", '{"format": NaN}', "[" * 100_000, '{"a":1,"a":2}', " " * 1_000_001],
)
def test_what_is_no_proof_file_is_refused(check, document):
    with pytest.raises(Problem) as caught:
        check(document)
    assert caught.value.code == "log.proof_invalid"


def test_a_field_given_twice_is_refused(proof, check):
    twice = proof.to_json().replace('"requester": "city.x"', '"requester": "city.z", "requester": "city.x"')
    assert twice != proof.to_json()
    with pytest.raises(Problem) as caught:
        check(twice)
    assert caught.value.code == "log.proof_invalid"


def test_neither_salt_nor_record_show_in_programs_output(proof, check):
    assert proof.salt not in repr(proof)
    assert "city.x" not in repr(proof) + repr(check(proof.to_json()))
    with pytest.raises(Problem) as caught:
        check(changed(proof, record={**RECORD, "number": "621498320257"}))
    assert "621498320257" not in str(caught.value)
    with pytest.raises(Problem) as caught:
        check(changed(proof, salt={"number": "621498320257"}))
    assert "621498320257" not in str(caught.value)


def test_a_file_with_broken_keys_names_them(proof):
    with pytest.raises(Problem) as caught:
        AccessProof.parse(changed(proof, log_key="nonsense")).claimed_trust()
    assert caught.value.code == "log.proof_invalid"
