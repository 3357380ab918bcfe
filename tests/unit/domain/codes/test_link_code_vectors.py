"""Link codes against vectors that were made without this code (`tests/vectors/make_vectors.py`)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kumihimo.domain.codes import (
    HopProof,
    OperatorSecrets,
    Translator,
    assemble_key,
    decrypt,
    encrypt,
    person_point,
    public_key,
    request_randomness,
)

FOLDER = Path(__file__).parents[3] / "vectors"
VECTORS: dict[str, Any] = json.loads((FOLDER / "link_codes.json").read_text(encoding="utf-8"))
SECRETS = [
    OperatorSecrets(bytes.fromhex(item["reshuffle_seed"]), bytes.fromhex(item["rekey_seed"]))
    for item in VECTORS["operators"]
]
ONE, TWO = Translator(SECRETS[0], 1, SECRETS[1].published), Translator(SECRETS[1], 2, SECRETS[0].published)


def key_of(label: str) -> bytes:
    return assemble_key(*(secrets.key_share(label) for secrets in SECRETS))


def from_hex(items: list[str]) -> list[bytes]:
    return [bytes.fromhex(item) for item in items]


def test_the_stored_vectors_are_those_that_the_reference_makes() -> None:
    done = subprocess.run(
        [sys.executable, "make_vectors.py", "--check"], cwd=FOLDER, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("domain", VECTORS["domains"], ids=lambda domain: domain["label"])
def test_shares_published_points_and_keys(domain: dict[str, Any]) -> None:
    label = domain["label"]
    assert [secrets.key_share(label).hex() for secrets in SECRETS] == domain["shares"]
    for secrets, published in zip(SECRETS, domain["published"], strict=True):
        points = secrets.published(label)
        assert {"U": points.U.hex(), "S": points.S.hex(), "T": points.T.hex()} == published
    assert key_of(label).hex() == domain["secret_key"]
    assert public_key(key_of(label)).hex() == ONE.public_key_of(label).hex() == domain["public_key"]


@pytest.mark.parametrize("person", VECTORS["persons"], ids=lambda person: f"person-{person['counter']}")
def test_base_points(person: dict[str, Any]) -> None:
    point = person_point(bytes.fromhex(VECTORS["rho"]), person["resident_code"], person["counter"])
    assert point.hex() == person["point"] == person["codes"]["registry#1"]


@pytest.mark.parametrize("case", VECTORS["translations"], ids=lambda case: f"{case['source']}-{case['target']}")
def test_requests_translations_and_proofs(case: dict[str, Any]) -> None:
    source, target = case["source"], case["target"]
    for position, (request, wanted) in enumerate(zip(case["requests"], case["inputs"], strict=True)):
        randomness = request_randomness(bytes.fromhex(VECTORS["request_secret"]), request["transaction"], position)
        assert randomness.hex() == request["randomness"]
        assert encrypt(bytes.fromhex(request["code"]), public_key(key_of(source)), randomness).hex() == wanted
    inputs, between, arrived = (from_hex(case[name]) for name in ("inputs", "between", "arrived"))
    seeds, proofs = from_hex(case["seeds"]), from_hex(case["proofs"])
    assert ONE.hop(inputs, source, target, seed=seeds[0]) == between
    assert TWO.hop(between, source, target, seed=seeds[1]) == arrived
    assert [decrypt(item, key_of(target)).hex() for item in arrived] == case["codes"]
    assert ONE.prove(inputs, between, source, target, seeds[0]).to_bytes() == proofs[0]
    assert TWO.prove(between, arrived, source, target, seeds[1]).to_bytes() == proofs[1]
    TWO.verify_peer(inputs, between, source, target, HopProof.from_bytes(proofs[0]))
    ONE.verify_peer(between, arrived, source, target, HopProof.from_bytes(proofs[1]))
