"""Issuing link codes (符号取得, 番号法第二十一条第二項): the registry's part of the ticket protocol.

The registry turns each resident code into a secret point, encrypts it under its own domain, shuffles the batch and hands it
to operator 1, never to the asker. It keeps who obtained codes of whom, and no ticket.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from kumihimo.domain.codes import PublicKey, encrypt, person_point, public_key, random_scalar
from kumihimo.domain.kernel import Clock, IndividualNumber, Institution, Problem, RandomSource
from kumihimo.plumbing.wire.envelope import b64, from_b64
from kumihimo.plumbing.wire.messages.codes import BlindCode, RefusedTicket, TicketOf
from kumihimo.roles.registry.store import RegistryStore, Resident

PORTAL: Final = "portal"
TICKET_BYTES: Final = 32
Translate = Callable[[str, Sequence[BlindCode]], None]
"""(institution, shuffled blind codes) → operator 1. Raises Problem(operator.unreachable)."""


class CodeIssuing:
    """Blind codes for an institution's tickets. `person_secret` is ρ; `secret_key` gives the registry's own domain key."""

    def __init__(
        self,
        store: RegistryStore,
        institution: Callable[[str], Institution],
        person_secret: bytes,
        secret_key: Callable[[], bytes],
        translate: Translate,
        randomness: RandomSource,
        clock: Clock,
    ) -> None:
        self._store = store
        self._institution = institution
        self._person_secret = person_secret
        self._secret_key = secret_key
        self._translate = translate
        self._randomness = randomness
        self._clock = clock

    def issue(self, asker: str, institution: str, basis: str, tickets: Sequence[TicketOf]) -> tuple[RefusedTicket, ...]:
        """Send a code on its way for every ticket; the tickets that were refused, each with its problem code.

        Raises Problem(peer.not_allowed) unless the asker is the institution itself, or a municipality for the portal;
        operator.unreachable when the hub did not take the batch, or its answer was lost.
        """
        municipal = "municipality" in self._institution(asker).classes
        if institution != asker and not (institution == PORTAL and municipal):
            raise Problem("peer.not_allowed", f"{asker} asks for codes of {institution}", expected="its own codes")
        refused: list[RefusedTicket] = []
        wanted: list[tuple[str, str]] = []
        seen: set[bytes] = set()
        for ticket in tickets:
            try:
                seen.add(_fresh(ticket.ticket, seen))
                wanted.append((ticket.ticket, IndividualNumber.parse(ticket.individual_number).digits))
            except Problem as problem:
                refused.append(RefusedTicket(ticket=ticket.ticket, code=problem.code))
        with self._store.transaction() as transaction:
            residents = transaction.by_numbers([number for _, number in wanted])
        known = [(ticket, residents[number]) for ticket, number in wanted if number in residents]
        refused.extend(
            RefusedTicket(ticket=ticket, code="number.unknown") for ticket, number in wanted if number not in residents
        )
        if known:
            self._send(institution, basis, known)
        return tuple(refused)

    def issue_to_holder(self, resident_code: str, ticket: str, basis: str) -> None:
        """Send the portal's code of a certificate's holder on its way.

        Raises Problem(resident.unknown, value.invalid, message.malformed), operator.unreachable as above.
        """
        _fresh(ticket, set())
        with self._store.transaction() as transaction:
            resident = transaction.by_code(resident_code)
        if resident is None:
            raise Problem("resident.unknown", "the holder of a certificate", expected="a resident of the registry")
        self._send(PORTAL, basis, [(ticket, resident)])

    def _send(self, institution: str, basis: str, known: list[tuple[str, Resident]]) -> None:
        key = public_key(self._secret_key())
        batch = self._shuffled([self._blind(ticket, one, key) for ticket, one in known])
        # Before it leaves: an answer may be lost, and who holds a code must hear of a re-coding. One too many does not harm.
        with self._store.transaction() as transaction:
            transaction.hold_codes([one for _, one in known], institution, basis, self._clock.now())
        self._translate(institution, batch)
        with self._store.transaction() as transaction:
            transaction.hold_earlier([one for _, one in known], institution)

    def _blind(self, ticket: str, resident: Resident, key: PublicKey) -> BlindCode:
        point = person_point(self._person_secret, resident.resident_code, resident.code_counter)
        ciphertext = encrypt(point, key, random_scalar(self._randomness.token_bytes))
        return BlindCode(ticket=ticket, ciphertext=b64(ciphertext))

    def _shuffled(self, codes: list[BlindCode]) -> list[BlindCode]:
        """Fisher–Yates: the order of the batch tells nothing about the order of the request."""
        for i in range(len(codes) - 1, 0, -1):
            j = self._randomness.randbelow(i + 1)
            codes[i], codes[j] = codes[j], codes[i]
        return codes


def _fresh(ticket: str, seen: set[bytes]) -> bytes:
    """The bytes of a ticket. Raises Problem(message.malformed, value.invalid): a ticket that is no ticket would go to the hub.

    What is not 32 random bytes may be anything, also a number of the person it stands for.
    """
    found = from_b64(ticket, "ticket")
    if len(found) != TICKET_BYTES or found in seen:
        raise Problem("value.invalid", "a ticket", expected=f"{TICKET_BYTES} random bytes, each time new ones")
    return found
