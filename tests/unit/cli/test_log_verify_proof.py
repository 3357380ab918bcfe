"""`kumihimo log verify-proof` as a resident uses it, on the kept example file."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kumihimo.cli.log import app
from kumihimo.domain.sealing import canonical_json, commit
from kumihimo.domain.transparency.access_proof import make_access_proof
from kumihimo.domain.transparency.checkpoint import Checkpoint
from kumihimo.domain.transparency.merkle import leaf_hash
from kumihimo.domain.transparency.note import NoteKey
from kumihimo.domain.transparency.proof import TlogProof

EXAMPLE = Path(__file__).parents[2] / "vectors" / "transparency" / "access_proof.json"
KEPT = json.loads(EXAMPLE.read_text(encoding="utf-8"))
LOG_KEY = ["--log-key", KEPT["log_key"]]
WITNESS_KEY = ["--witness-key", KEPT["witness_keys"][0]]
STRANGER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"


def run(*arguments):
    return CliRunner().invoke(app, ["verify-proof", *map(str, arguments)])


def test_a_true_proof_is_told_in_words():
    result = run(EXAMPLE, *LOG_KEY, *WITNESS_KEY)
    assert result.exit_code == 0
    assert "Verified: this record stands in the log, unaltered." in result.stdout
    assert "city.x asked city.y for local_tax, for the affair 児童手当; it was granted" in result.stdout
    assert "index 123 (counted from 0) in a log of 300 entries" in result.stdout
    assert "oversight.kumihimo.example" in result.stdout
    assert "cosigned the checkpoint on 2026-04-01 21:00:00 JST" in result.stdout
    assert "Checked against the keys you gave." in result.stdout
    assert "WARNING" not in result.stdout


@pytest.mark.parametrize(
    ("keys", "warning"),
    [
        ([], "only that the file agrees with itself"),
        (LOG_KEY, "the witness keys came from the file itself"),
        (WITNESS_KEY, "the log key came from the file itself"),
    ],
)
def test_keys_taken_from_the_file_are_said_to_prove_little(keys, warning):
    result = run(EXAMPLE, *keys)
    assert result.exit_code == 0
    assert "WARNING" in result.stdout
    assert warning in result.stdout
    assert ("Verified" in result.stdout) == bool(keys)


@pytest.mark.parametrize("keys", [["--log-key", STRANGER], ["--witness-key", STRANGER]])
def test_a_proof_by_others_than_the_trusted_ones_is_refused(keys):
    result = run(EXAMPLE, *keys)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "Not verified." in result.stderr
    assert "PeterNeumann" in result.stderr
    assert "log.checkpoint_invalid" in result.stderr


def test_a_tampered_record_is_refused(tmp_path):
    file = tmp_path / "proof.json"
    file.write_text(json.dumps({**KEPT, "record": {**KEPT["record"], "requester": "city.z"}}), encoding="utf-8")
    result = run(file, *LOG_KEY, *WITNESS_KEY)
    assert result.exit_code == 1
    assert "log.proof_invalid" in result.stderr
    assert "the record was changed after it was logged" in result.stderr
    assert KEPT["entry"] not in result.stderr


def test_a_missing_file_and_a_broken_key_are_said_plainly(tmp_path):
    result = run(tmp_path / "none.json")
    assert result.exit_code == 1
    assert "file.unreadable" in result.stderr
    result = run(EXAMPLE, "--log-key", "nonsense")
    assert result.exit_code == 1
    assert "message.malformed" in result.stderr


def test_a_file_cannot_send_control_characters_to_the_terminal(tmp_path):
    key = NoteKey.from_seed("log.example", bytes(32))
    record = {"requester": "city.x\u001b[2J", "provider": "\u202ecity.y", "\u009bname": {"\u007f": 1}}
    leaf = leaf_hash(commit(bytes(32), canonical_json(record)))
    proof = TlogProof(0, (), str(Checkpoint(key.name, 1, leaf).signed(key)))
    file = tmp_path / "proof.json"
    file.write_text(make_access_proof(record, bytes(32), proof, key.verifier_key, []).to_json(), encoding="utf-8")
    result = run(file)
    assert result.exit_code == 0
    assert "Nobody but the log itself vouches for this checkpoint" in result.stdout
    assert not {"\u001b", "\u202e", "\u009b", "\u007f"} & set(result.output)
