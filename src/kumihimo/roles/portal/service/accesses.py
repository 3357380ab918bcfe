"""Accesses (情報提供等記録の表示): what was asked about the holder of an account, newest first, each with its proof."""

from __future__ import annotations

from kumihimo.domain.kernel import Problem
from kumihimo.plumbing.wire.messages.ledger import AccessShown
from kumihimo.roles.portal.service.proofs import Proof, Prover
from kumihimo.roles.portal.service.record_list import Listed, RecordList
from kumihimo.roles.portal.store import PortalStore


class AccessRecords:
    """Shows access records with all their proofs, as another program asks for them."""

    def __init__(self, store: PortalStore, records: RecordList) -> None:
        self._store = store
        self._records = records

    def show(self, account: str) -> tuple[AccessShown, ...]:
        """All access records of an account; none while its link code is under way. Raises Problem(account.unknown)."""
        with self._store.reading() as transaction:
            if transaction.opened_by(account) is None:
                raise Problem("account.unknown", "no account with this number", expected="a number the portal gave")
        listed = self._records.all(account)
        if not listed:
            return ()
        prover = self._records.prover()
        return tuple(_shown(one, prover) for one in listed)


def _shown(one: Listed, prover: Prover) -> AccessShown:
    proof = prover.prove(one.kept)
    outcome_proof = Proof() if one.outcome is None else prover.prove(one.outcome)
    return AccessShown(
        transaction=one.kept.transaction,
        record=one.record,
        outcome=None if one.outcome is None else one.outcome.record,
        sentence_ja=one.ja,
        sentence_en=one.en,
        proof=proof.file,
        outcome_proof=outcome_proof.file,
        proof_problem=proof.problem or outcome_proof.problem,
        received_at=one.kept.received_at,
    )
