"""Accesses (情報提供等記録の表示): what was asked about the holder of an account, newest first, each with its proof."""

from __future__ import annotations

from collections.abc import Callable

from kumihimo.domain.kernel import Problem
from kumihimo.plumbing.wire.messages.ledger import AccessShown
from kumihimo.roles.portal.service.proofs import Proof, Proofs, Prover
from kumihimo.roles.portal.service.sentences import Names, sentence_en, sentence_ja, told_outcome
from kumihimo.roles.portal.store import KeptRecord, PortalStore


class AccessRecords:
    """Shows access records. `names` are asked for each time: institutions join and leave."""

    def __init__(self, store: PortalStore, names: Callable[[], Names], proofs: Proofs) -> None:
        self._store = store
        self._names = names
        self._proofs = proofs

    def show(self, account: str) -> tuple[AccessShown, ...]:
        """All access records of an account; none while its link code is under way. Raises Problem(account.unknown)."""
        with self._store.reading() as transaction:
            if transaction.opened_by(account) is None:
                raise Problem("account.unknown", "no account with this number", expected="a number the portal gave")
            accesses = transaction.accesses(account)
            outcomes = transaction.outcomes(list({one.transaction for one in accesses}))
        if not accesses:
            return ()
        prover = self._proofs.newest()
        names = self._names()
        return tuple(self._shown(one, outcomes.get(one.transaction, []), prover, names) for one in accesses)

    def _shown(self, access: KeptRecord, outcomes: list[KeptRecord], prover: Prover, names: Names) -> AccessShown:
        record = access.record
        if access.refusal is not None:  # told as what came of it in the end; the proof stays that of what was logged
            record = record.model_copy(update={"granted": False, "refusal": access.refusal})
        told = told_outcome([one.record for one in outcomes]) if record.granted else None
        outcome = None if told is None else outcomes[told]
        proof = prover.prove(access)
        outcome_proof = Proof() if outcome is None else prover.prove(outcome)
        outcome_record = None if outcome is None else outcome.record
        return AccessShown(
            transaction=access.transaction,
            record=access.record,
            outcome=outcome_record,
            sentence_ja=sentence_ja(record, outcome_record, names),
            sentence_en=sentence_en(record, outcome_record, names),
            proof=proof.file,
            outcome_proof=outcome_proof.file,
            proof_problem=proof.problem or outcome_proof.problem,
            received_at=access.received_at,
        )
