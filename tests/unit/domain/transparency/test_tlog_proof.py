"""Offline proofs in C2SP's text form."""

from datetime import UTC, datetime

import pytest

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.transparency.checkpoint import Checkpoint
from kumihimo.domain.transparency.merkle import inclusion_proof, leaf_hash, root_of
from kumihimo.domain.transparency.proof import TlogProof, Trust

NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)


@pytest.fixture
def cosigned(log_of_300, log_key, oversight_key):
    checkpoint = Checkpoint(log_key.name, 300, root_of(log_of_300.tree(), 300))
    return checkpoint.signed(log_key).with_signatures([oversight_key.cosign(checkpoint.text, NOON)])


@pytest.fixture
def proof(log_of_300, cosigned):
    return TlogProof(123, inclusion_proof(log_of_300.tree(), 123, 300), str(cosigned), b"")


@pytest.fixture
def trust(log_key, oversight_key):
    return Trust.in_all(log_key.verifier_key, [oversight_key.witness_key])


def test_a_proof_has_the_form_of_the_specification(proof):
    lines = str(proof).split("\n")
    assert lines[:2] == ["c2sp.org/tlog-proof@v1", "index 123"]
    assert lines[2 + len(proof.hashes)] == ""
    assert str(proof).endswith(proof.checkpoint)
    assert TlogProof.parse(str(proof)) == proof


def test_extra_data_stands_before_the_index(proof):
    with_extra = TlogProof(proof.index, proof.hashes, proof.checkpoint, b"age-v1.2.1-darwin-arm64.tar.gz")
    assert str(with_extra).split("\n")[1] == "extra YWdlLXYxLjIuMS1kYXJ3aW4tYXJtNjQudGFyLmd6"
    assert TlogProof.parse(str(with_extra)) == with_extra


def test_a_log_of_one_entry_needs_no_hashes(new_log, log_key):
    log = new_log()
    log.append([leaf_hash(b"only")])
    note = Checkpoint(log_key.name, 1, root_of(log.tree(), 1)).signed(log_key)
    text = f"c2sp.org/tlog-proof@v1\nindex 0\n\n{note}"
    assert TlogProof.parse(text).verify(b"only", Trust(log_key.verifier_key)).index == 0


def test_an_entry_is_proven_with_its_witness_and_time(proof, trust):
    verified = proof.verify(b"entry 123", trust)
    assert (verified.index, verified.opened.checkpoint.size) == (123, 300)
    assert [(witness.key.name, witness.at) for witness in verified.witnesses] == [("oversight.kumihimo.example", NOON)]


def test_another_entry_is_not_proven(proof, trust):
    with pytest.raises(Problem) as caught:
        proof.verify(b"entry 124", trust)
    assert caught.value.code == "log.proof_invalid"


def test_a_missing_cosignature_is_named(proof, trust, log_key, outsider_key, oversight_key):
    both = [oversight_key.witness_key, outsider_key.witness_key]
    with pytest.raises(Problem) as caught:
        proof.verify(b"entry 123", Trust.in_all(log_key.verifier_key, both))
    assert caught.value.code == "log.checkpoint_invalid"
    assert "university.example" in caught.value.detail
    assert "oversight" not in caught.value.detail
    one_of_two = Trust(log_key.verifier_key, tuple(both), 1)
    assert len(proof.verify(b"entry 123", one_of_two).witnesses) == 1


def test_one_key_under_two_names_counts_once(log_key, oversight_key):
    other_name = type(oversight_key)("second.example", oversight_key.private_key)
    keys = (oversight_key.witness_key, other_name.witness_key)
    assert Trust.in_all(log_key.verifier_key, keys).quorum == 1
    with pytest.raises(Problem) as caught:
        Trust(log_key.verifier_key, keys, 2)
    assert caught.value.code == "value.invalid"


def test_a_checkpoint_of_an_untrusted_log_is_refused(proof, outsider_key):
    with pytest.raises(Problem) as caught:
        proof.verify(b"entry 123", Trust(outsider_key.verifier_key))
    assert caught.value.code == "log.checkpoint_invalid"


HASH = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
HEADER = "c2sp.org/tlog-proof@v1\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        HEADER,
        "c2sp.org/tlog-proof@v2\nindex 0\n\ncheckpoint\n",
        HEADER + "\ncheckpoint\n",
        HEADER + "index 00\n\ncheckpoint\n",
        HEADER + "index -1\n\ncheckpoint\n",
        HEADER + "index x\n\ncheckpoint\n",
        HEADER + "extra !!\nindex 0\n\ncheckpoint\n",
        HEADER + "extra AAAA\n\ncheckpoint\n",
        HEADER + "index 0\nextra AAAA\n\ncheckpoint\n",
        HEADER + "index 0\nAAAA\n\ncheckpoint\n",
        HEADER + "index 0\n" + HASH * 64 + "\ncheckpoint\n",
        HEADER + "index 0\n" + HASH,
    ],
)
def test_a_text_of_another_form_is_refused(text):
    with pytest.raises(Problem) as caught:
        TlogProof.parse(text)
    assert caught.value.code == "log.proof_invalid"
