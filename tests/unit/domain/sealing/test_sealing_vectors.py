"""Sealing against vectors that were made without this code (`tests/vectors/make_vectors.py`)."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from kumihimo.domain.sealing import SealingKey, SigningKey, binding, canonical_json, commit, open_sealed, pae, sign

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[3] / "vectors" / "sealing.json").read_text(encoding="utf-8")
)


def test_signatures_and_their_encoding() -> None:
    key = SigningKey.from_bytes(bytes.fromhex(VECTORS["signing_key"]))
    assert key.verify_key.to_bytes().hex() == VECTORS["verify_key"]
    assert key.key_id == VECTORS["key_id"]
    assert len(VECTORS["signatures"]) == 3
    for case in VECTORS["signatures"]:
        payload = bytes.fromhex(case["payload"])
        assert pae(case["payload_type"], payload).hex() == case["pae"]
        assert sign(case["payload_type"], payload, key).hex() == case["signature"]


def test_commitments_and_canonical_forms() -> None:
    case = VECTORS["commitment"]
    assert commit(bytes.fromhex(case["salt"]), bytes.fromhex(case["data"])).hex() == case["commitment"]
    assert [canonical_json(item["value"]).decode() for item in VECTORS["canonical"]] == [
        item["text"] for item in VECTORS["canonical"]
    ]


def test_a_sealed_answer_made_elsewhere_opens_under_its_binding() -> None:
    bound, case = VECTORS["binding"], VECTORS["sealed"]
    permit_hash = bytes.fromhex(bound["permit_hash"])
    info = binding(bound["transaction"], bound["provider"], bound["requester"], permit_hash)
    assert info.hex() == bound["info"] == case["info"]
    key = SealingKey.from_bytes(bytes.fromhex(case["key"]))
    assert open_sealed(base64.b64decode(case["sealed_base64"]), key, info).hex() == case["plaintext"]
