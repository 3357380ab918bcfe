"""Fingerprint of the law in force at a desk (規則のハッシュ): one SHA-256 over everything that was loaded.

The hash stands in every permit and in the log, so that anybody can later tell which rules were applied. It covers the
resolved entries, not the files: comments, spacing and the order of entries do not change it, and anything that could
change an answer does.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from datetime import date
from typing import Any

from kumihimo.domain.law.entries import Contents


def canonical_bytes(contents: Contents) -> bytes:
    """Canonical JSON: UTF-8, sorted keys, no spaces, entries sorted by id, sets sorted, days as YYYY-MM-DD."""
    entries = {kind: sorted(part, key=lambda entry: str(entry["id"])) for kind, part in asdict(contents).items()}
    text = json.dumps(entries, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=_plain)
    return text.encode()


def fingerprint(contents: Contents) -> str:
    """SHA-256 of the canonical bytes, 64 hexadecimal digits."""
    return hashlib.sha256(canonical_bytes(contents)).hexdigest()


def _plain(value: Any) -> object:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no canonical form")
