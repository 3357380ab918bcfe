"""Signed notes and cosignatures against published ones, and what is refused."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.transparency.note import NoteKey, NoteSignature, SignedNote, VerifierKey

NOON = datetime(2026, 4, 1, 12, 0, 0, 250_000, tzinfo=UTC)


def refused(code):
    return pytest.raises(Problem, match=rf"\[{code}\]")


@pytest.mark.parametrize("example", ["go_example", "c2sp_example"])
def test_published_notes_are_read_and_verified(vectors, example):
    published = vectors("notes.json")[example]
    document = published["text"] + "\n" + "".join(published["signatures"])
    keys = [VerifierKey.parse(key) for key in published["keys"]]
    note = SignedNote.parse(document)
    assert str(note) == document
    assert [verified.key for verified in note.verify(keys)] == keys
    assert [str(key) for key in keys] == published["keys"]


def test_signing_the_text_of_gos_example_gives_gos_signature(vectors):
    published = vectors("notes.json")["go_example"]
    key = NoteKey.parse(published["signing_key"])
    assert key.sign(published["text"]).line() == published["signatures"][0]
    assert str(key.verifier_key) == published["keys"][0]
    assert key.secret_text() == published["signing_key"]


def test_each_trusted_key_alone_is_enough_and_foreign_signatures_are_passed_over(vectors):
    published = vectors("notes.json")["go_example"]
    note = SignedNote.parse(published["text"] + "\n" + "".join(published["signatures"]))
    for text in published["keys"]:
        key = VerifierKey.parse(text)
        assert [verified.key for verified in note.verify([key])] == [key]


def test_a_note_by_strangers_only_is_refused(vectors, log_key):
    published = vectors("notes.json")["c2sp_example"]
    note = SignedNote.parse(published["text"] + "\n" + published["signatures"][0])
    with refused("message.wrong_signer"):
        note.verify([log_key.verifier_key])
    with refused("message.wrong_signer"):
        note.verify([])


def test_one_false_signature_by_a_known_key_spoils_the_note(log_key, oversight_key):
    good, other = log_key.sign("hello\n"), oversight_key.sign("bye\n")
    with refused("message.signature_invalid"):
        SignedNote("hello\n", (good, other)).verify([log_key.verifier_key, oversight_key.verifier_key])


@given(text=st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1), bit=st.integers(0, 511))
def test_any_text_is_carried_and_any_changed_bit_of_the_signature_found(log_key, text, bit):
    note = SignedNote(text + "\n", (log_key.sign(text + "\n"),))
    assert SignedNote.parse(str(note)) == note
    assert note.verify([log_key.verifier_key])[0].at is None
    body = bytearray(note.signatures[0].body)
    body[bit // 8] ^= 1 << bit % 8
    with refused("message.signature_invalid"):
        SignedNote(note.text, (NoteSignature(log_key.name, note.signatures[0].key_id, bytes(body)),)).verify(
            [log_key.verifier_key]
        )


def test_a_text_with_blank_lines_ends_at_the_last_one(log_key):
    text = "one\n\ntwo\n"
    assert SignedNote.parse(str(SignedNote(text, (log_key.sign(text),)))).text == text


SIGNATURE = "— a AAAAAAA=\n"


@pytest.mark.parametrize(
    "document",
    [
        "",
        "text\n",
        "\n\n" + SIGNATURE,
        "text\n" + SIGNATURE,
        "text\n\n" + SIGNATURE[:-1],
        "text\n\n" + SIGNATURE + "\n",
        "text\r\n\n" + SIGNATURE,
        "text\n\n" + SIGNATURE.replace(" ", "\t"),
        "text\n\n- a AAAAAAA=\n",
        "text\n\n— a+b AAAAAAA=\n",
        "text\n\n—  AAAAAAA=\n",
        "text\n\n— a AAAA\n",
        "text\n\n— a AAAAAAB=\n",
        "text\n\n— a AAAAAAA\n",
        "text\n\n— a AAAAAAA= \n",
        "text\ud800\n\n" + SIGNATURE,
        "text\n\n" + SIGNATURE * 101,
    ],
)
def test_what_is_not_exactly_a_note_is_refused(document):
    with refused("message.malformed"):
        SignedNote.parse(document)


def test_a_note_over_a_megabyte_is_refused_unread():
    with refused("message.too_large"):
        SignedNote.parse("字" * 400_000)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PeterNeumann",
        "PeterNeumann+c74f20a3",
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "EnochRoot+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+Ahpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10Q=",
        "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ],
)
def test_a_verifier_key_that_does_not_fit_itself_is_refused(text):
    with refused("message.malformed"):
        VerifierKey.parse(text)


def test_a_broken_signing_key_is_refused_without_being_shown(vectors):
    secret = vectors("notes.json")["go_example"]["signing_key"]
    for broken in (secret.removeprefix("PRIVATE+KEY+"), secret[:-4], secret.replace("c74f20a3", "c74f20a4")):
        with refused("message.malformed") as caught:
            NoteKey.parse(broken)
        assert "YEKFALVFGyNhPJEMzD1QIDr" not in str(caught.value)
    assert "YEKFALVFGyNhPJEMzD1QIDr" not in repr(NoteKey.parse(secret))


def test_a_cosignature_states_its_second(oversight_key):
    text = "log.kumihimo.example\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
    note = SignedNote.parse(str(SignedNote(text, (oversight_key.cosign(text, NOON),))))
    (verified,) = note.verify([oversight_key.witness_key])
    assert verified.at == NOON.replace(microsecond=0)


def test_a_cosignature_with_another_time_does_not_hold(oversight_key):
    cosignature = oversight_key.cosign("text\n", NOON)
    later = NoteSignature(cosignature.name, cosignature.key_id, bytes(8) + cosignature.body[8:])
    short = NoteSignature(cosignature.name, cosignature.key_id, cosignature.body[:-1])
    never = NoteSignature(cosignature.name, cosignature.key_id, b"\xff" * 8 + cosignature.body[8:])
    for forged in (later, short, never):
        with refused("message.signature_invalid"):
            SignedNote("text\n", (forged,)).verify([oversight_key.witness_key])


def test_a_plain_signature_does_not_pass_for_a_cosignature(oversight_key):
    plain = oversight_key.sign("text\n")
    with refused("message.wrong_signer"):
        SignedNote("text\n", (plain,)).verify([oversight_key.witness_key])
    disguised = NoteSignature(plain.name, oversight_key.witness_key.key_id, plain.body)
    with refused("message.signature_invalid"):
        SignedNote("text\n", (disguised,)).verify([oversight_key.witness_key])


def test_a_newer_cosignature_replaces_the_older_one_of_the_same_witness(log_key, oversight_key):
    note = SignedNote("text\n", (log_key.sign("text\n"),))
    early = note.with_signatures([oversight_key.cosign("text\n", NOON.replace(hour=1))])
    late = early.with_signatures([oversight_key.cosign("text\n", NOON)])
    assert len(late.signatures) == 2
    assert late.verify([oversight_key.witness_key])[0].at == NOON.replace(microsecond=0)
