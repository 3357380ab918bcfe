"""Re-coding one person (符号の付け直し): after a leak every institution's code of a person is replaced, without naming anybody.

The registry knows who obtained codes. It encrypts the person's old and new points as a pair for each holder and sends them
the way all codes go; each operator translates both halves alike, and the holder swaps one for the other. Nobody between
learns either, and no ledger takes part.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from kumihimo.domain.codes import PublicKey, encrypt, person_point, public_key, random_scalar
from kumihimo.domain.kernel import Problem, RandomSource
from kumihimo.plumbing.wire.envelope import b64
from kumihimo.plumbing.wire.messages.codes import BlindCode
from kumihimo.roles.registry.service.code_issuing import TICKET_BYTES, Translate
from kumihimo.roles.registry.store_lives import Behind, LivesStore

BATCH: Final = 500
log = structlog.get_logger()


@dataclass(frozen=True)
class Recoding:
    """Brings every holder to the present counter of its persons. `person_secret` is ρ."""

    store: LivesStore
    person_secret: bytes
    secret_key: Callable[[], bytes]
    translate: Translate
    randomness: RandomSource

    def bring_up(self) -> int:
        """Send a pair to every holder that is behind; how many are on their way. One that is refused is tried again.

        A pair sent twice changes nothing. Raises Problem(operator.unreachable) when the registry's own key cannot be had.
        """
        with self.store.transaction() as transaction:
            behind = transaction.behind(BATCH)
        if not behind:
            return 0
        key = public_key(self.secret_key())
        by_institution: dict[str, list[Behind]] = defaultdict(list)
        for one in behind:
            by_institution[one.institution].append(one)
        done = 0
        for institution in sorted(by_institution, key=lambda _one: self.randomness.token_bytes(8)):
            theirs = by_institution[institution]
            try:
                self.translate(institution, [self._pair(one, key) for one in theirs])
            except Problem as problem:
                log.warning("codes.not_replaced", institution=institution, code=problem.code)
                continue
            with self.store.transaction() as transaction:
                for one in theirs:
                    transaction.recoded(one)
            done += len(theirs)
        log.info("codes.replaced", count=done)
        return done

    def _pair(self, one: Behind, key: PublicKey) -> BlindCode:
        def blind(counter: int) -> str:
            point = person_point(self.person_secret, one.resident.resident_code, counter)
            return b64(encrypt(point, key, random_scalar(self.randomness.token_bytes)))

        return BlindCode(
            ticket=b64(self.randomness.token_bytes(TICKET_BYTES)),
            ciphertext=blind(one.resident.code_counter),
            replaces=blind(one.counter),
        )
