"""Asking a witness for its cosignature (立会人の連署): the log's side of C2SP tlog-witness.

The log remembers which size each witness saw last; after a restart it asks from 0 and is told. A witness that cannot be
reached is asked again with growing pauses, while checkpoints go on being published without it, loudly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId
from kumihimo.domain.transparency.checkpoint import parse_size
from kumihimo.domain.transparency.merkle import consistency_proof
from kumihimo.domain.transparency.note import NoteSignature, SignedNote, VerifierKey
from kumihimo.domain.transparency.tiles import TiledTree, TileSource
from kumihimo.domain.transparency.witness import AddCheckpoint, parse_cosignatures
from kumihimo.roles.hub.service.ports import PlainAnswer

PATH: Final = "/witness/add-checkpoint"
_OK, _CONFLICT = 200, 409
_LONGEST_PAUSE: Final = timedelta(seconds=30)
log = structlog.get_logger()

Post = Callable[[PartyId, str, bytes], PlainAnswer]


class Witness:
    """One witness of our log. `keys` are what its cosignatures are checked with; none given: taken as they come."""

    def __init__(self, party: PartyId, keys: Sequence[VerifierKey], post: Post) -> None:
        self.party = party
        self._keys = tuple(keys)
        self._post = post
        self._seen = 0
        self._pause = timedelta(0)
        self._not_before: datetime | None = None

    def cosigned(self, note: SignedNote, size: int, tiles: TileSource, now: datetime) -> SignedNote | None:
        """The note with the witness's cosignature; None when there is none to be had now."""
        # No pause is longer than the longest: one that would be began before the clock was set back.
        if self._not_before is not None and now < self._not_before <= now + _LONGEST_PAUSE:
            return None
        try:
            cosignatures = self._ask(note, size, tiles)
            added = note.with_signatures(cosignatures)
            if self._keys:
                SignedNote(note.text, cosignatures).verify(self._keys)
        except Problem as problem:
            self._pause = min(max(self._pause * 2, timedelta(seconds=1)), _LONGEST_PAUSE)
            self._not_before = now + self._pause
            log.error("witness", peer=self.party, code=problem.code, size=size)
            return None
        self._seen, self._pause, self._not_before = size, timedelta(0), None
        return added

    def _ask(self, note: SignedNote, size: int, tiles: TileSource) -> tuple[NoteSignature, ...]:
        answer = self._send(note, size, tiles)
        if answer.status_code == _CONFLICT:
            self._seen = parse_size(answer.text.strip())
            if self._seen > size:
                raise Problem(
                    "log.inconsistent", f"{self.party} has cosigned {self._seen} entries", expected=f"at most {size}"
                )
            answer = self._send(note, size, tiles)
        if answer.status_code != _OK:
            raise Problem("log.checkpoint_invalid", f"{self.party} answered {answer.status_code}", where="witness")
        return parse_cosignatures(answer.text)

    def _send(self, note: SignedNote, size: int, tiles: TileSource) -> PlainAnswer:
        proof = consistency_proof(TiledTree(tiles, size), self._seen, size)
        return self._post(self.party, PATH, str(AddCheckpoint(self._seen, proof, str(note))).encode())
