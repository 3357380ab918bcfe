"""Reading what crossed the wire while KUMIHIMO_CAPTURE was set: every message, with its inner envelopes opened."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kumihimo.country.layout import Country


@dataclass(frozen=True)
class Captured:
    """One request with its answer, as they went over one connection."""

    sender: str
    receiver: str
    request: str
    sent: Any
    received: Any

    @property
    def between(self) -> frozenset[str]:
        return frozenset((self.sender, self.receiver))

    def texts(self) -> set[str]:
        """Every text and number in both directions, inside envelopes too."""
        return {self.request, *_leaves(self.sent), *_leaves(self.received)}


def read(folder: Path, country: Country) -> list[Captured]:
    """Everything captured so far of this country; while it is up, nobody else has its addresses."""
    addresses = {country.url(party) for party in country.parties()}
    found = []
    for file in sorted(folder.glob("*.jsonl")):
        for line in file.read_text().splitlines():
            raw = json.loads(line)
            if raw["url"] in addresses:
                sent, received = _opened(raw["sent"]), _opened(raw["received"])
                found.append(Captured(raw["from"], raw["to"], raw["request"], sent, received))
    return found


def _opened(text: str | None) -> Any:
    """JSON with the payload of every envelope inside it opened; other text as it is."""
    try:
        return _inside(json.loads(text or "null"))
    except ValueError:
        return text


def _inside(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _payload(one) if key == "payload" else _inside(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_inside(one) for one in value]
    return value


def _payload(value: Any) -> Any:
    try:
        return _inside(json.loads(base64.b64decode(value, validate=True)))
    except (binascii.Error, ValueError, TypeError):
        return value


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield str(key)
            yield from _leaves(one)
    elif isinstance(value, list):
        for one in value:
            yield from _leaves(one)
    elif value is not None:
        yield str(value)


def values_of(value: Any, name: str) -> Iterator[Any]:
    """Every value that stands under a key of this name, at any depth."""
    if isinstance(value, dict):
        for key, one in value.items():
            if key == name:
                yield one
            yield from values_of(one, name)
    elif isinstance(value, list):
        for one in value:
            yield from values_of(one, name)
