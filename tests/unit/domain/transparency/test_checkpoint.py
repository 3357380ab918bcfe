"""Checkpoints: strict form, whose they are, and who has cosigned."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.transparency.checkpoint import Checkpoint, open_checkpoint
from kumihimo.domain.transparency.merkle import EMPTY_ROOT
from kumihimo.domain.transparency.note import NoteKey, VerifierKey

NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)
ROOT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
ORIGIN = "log.kumihimo.example"


def test_a_public_checkpoint_opens_with_all_its_cosignatures(vectors):
    published = vectors("notes.json")["cosigned_checkpoint"]
    witnesses = [VerifierKey.parse(key) for key in published["witness_keys"]]
    opened = open_checkpoint(published["note"], VerifierKey.parse(published["log_key"]), witnesses)
    assert opened.checkpoint.size == published["size"]
    assert [cosignature.key for cosignature in opened.cosigned] == witnesses
    assert {cosignature.at.timestamp() for cosignature in opened.cosigned if cosignature.at} == {
        published["cosigned_at"]
    }
    assert published["note"].startswith(opened.checkpoint.text)


def test_a_public_checkpoint_with_a_changed_size_is_refused(vectors):
    published = vectors("notes.json")["cosigned_checkpoint"]
    changed = published["note"].replace("1432088532", "1432088533")
    with pytest.raises(Problem) as caught:
        open_checkpoint(changed, VerifierKey.parse(published["log_key"]))
    assert caught.value.code == "message.signature_invalid"


@given(
    size=st.integers(1, 2**63 - 1),
    root=st.binary(min_size=32, max_size=32),
    extensions=st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1), max_size=3),
)
def test_a_checkpoint_reads_back_as_written(size, root, extensions):
    checkpoint = Checkpoint(ORIGIN, size, root, tuple(extensions))
    assert Checkpoint.parse(checkpoint.text) == checkpoint


def test_a_checkpoint_has_the_three_lines_of_the_specification():
    text = f"example.com/behind-the-sofa\n20852163\n{ROOT}\n"
    checkpoint = Checkpoint.parse(text)
    assert (checkpoint.origin, checkpoint.size, checkpoint.extensions) == ("example.com/behind-the-sofa", 20852163, ())
    assert checkpoint.text == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"{ORIGIN}\n5\n",
        f"{ORIGIN}\n5\n{ROOT}",
        f"\n5\n{ROOT}\n",
        f"{ORIGIN}\n05\n{ROOT}\n",
        f"{ORIGIN}\n-5\n{ROOT}\n",
        f"{ORIGIN}\n+5\n{ROOT}\n",
        f"{ORIGIN}\n 5\n{ROOT}\n",
        f"{ORIGIN}\n５\n{ROOT}\n",
        f"{ORIGIN}\n5_0\n{ROOT}\n",
        f"{ORIGIN}\n9223372036854775808\n{ROOT}\n",
        f"{ORIGIN}\n99999999999999999999\n{ROOT}\n",
        f"{ORIGIN}\n5\n{ROOT[:-1]}\n",
        f"{ORIGIN}\n5\nAAAA\n",
        f"{ORIGIN}\n5\n{ROOT.replace('I=', 'J=')}\n",
        f"{ORIGIN}\n5\n{ROOT}\n\n",
        f"{ORIGIN}\n5\n{ROOT}\nextension\r\n",
        f"{ORIGIN}\n0\n{ROOT}\n",
    ],
)
def test_any_other_form_is_refused(text):
    with pytest.raises(Problem) as caught:
        Checkpoint.parse(text)
    assert caught.value.code == "log.checkpoint_invalid"


def test_an_empty_log_has_the_root_of_nothing():
    assert Checkpoint.parse(Checkpoint(ORIGIN, 0, EMPTY_ROOT).text).root == EMPTY_ROOT


def test_a_checkpoint_of_another_log_by_the_same_key_is_refused(log_key):
    note = Checkpoint("other.example", 5, bytes(32)).signed(log_key)
    with pytest.raises(Problem) as caught:
        open_checkpoint(str(note), log_key.verifier_key)
    assert caught.value.code == "log.checkpoint_invalid"
    assert "other.example" in caught.value.detail


def test_a_checkpoint_that_only_a_witness_signed_is_refused(log_key, oversight_key):
    checkpoint = Checkpoint(ORIGIN, 5, bytes(32))
    stranger = NoteKey.from_seed(ORIGIN, bytes(32))
    note = checkpoint.signed(stranger).with_signatures([oversight_key.cosign(checkpoint.text, NOON)])
    with pytest.raises(Problem) as caught:
        open_checkpoint(str(note), log_key.verifier_key, [oversight_key.witness_key])
    assert caught.value.code == "message.wrong_signer"


def test_only_trusted_witnesses_are_counted(log_key, oversight_key, outsider_key):
    checkpoint = Checkpoint(ORIGIN, 5, bytes(32))
    note = checkpoint.signed(log_key).with_signatures(
        [oversight_key.cosign(checkpoint.text, NOON), outsider_key.cosign(checkpoint.text, NOON)]
    )
    opened = open_checkpoint(str(note), log_key.verifier_key, [oversight_key.witness_key])
    assert [cosignature.key.name for cosignature in opened.cosigned] == ["oversight.kumihimo.example"]


def test_what_is_no_note_is_no_checkpoint(log_key):
    with pytest.raises(Problem) as caught:
        open_checkpoint("not a note", log_key.verifier_key)
    assert caught.value.code == "log.checkpoint_invalid"
    with pytest.raises(Problem) as caught:
        open_checkpoint(f"text\n\n{log_key.sign('text' + chr(10)).line()}", log_key.verifier_key)
    assert caught.value.code == "log.checkpoint_invalid"
