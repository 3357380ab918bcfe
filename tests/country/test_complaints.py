"""Complaints on a real country: the oversight body takes what stands in the log and nothing else, and learns nobody's name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from kumihimo.country import topology
from kumihimo.country.desk import edge_of
from kumihimo.country.founding import found
from kumihimo.country.inspection import holders
from kumihimo.country.layout import RESIDENT, Country
from kumihimo.country.officer import Officer
from kumihimo.country.running import issue_codes
from kumihimo.country.scenarios import first_case
from kumihimo.country.stores import store_url
from kumihimo.country.supervisor import running
from kumihimo.domain.kernel import PartyId, Problem, SystemRandomness, legal_day
from kumihimo.domain.sealing import seal
from kumihimo.domain.transparency.note import VerifierKey
from kumihimo.plumbing.storage import open_engine
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.envelope import b64
from kumihimo.plumbing.wire.messages.complaints import (
    Complain,
    ComplaintState,
    ComplaintTaken,
    ShowComplaints,
    complaint_binding,
)
from kumihimo.plumbing.wire.remote_log import RemoteLog
from kumihimo.roles.portal.service.complaints import ComplaintsOf
from kumihimo.roles.portal.service.proofs import Proofs
from kumihimo.roles.portal.service.record_list import RecordList
from kumihimo.roles.portal.service.sentences import Names
from kumihimo.roles.portal.store import PortalStore
from kumihimo.roles.portal.store_complaints import complaint


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Country, first_case.FirstCase]]:
    def silent(_name: str, _done: int, _total: int) -> None: ...

    here = found(tmp_path_factory.mktemp("complaints") / "country", 12, 7, legal_day(datetime.now(UTC)), silent)
    with running(here):
        issue_codes(here, silent)
        yield here, first_case.play(here)


def of_portal(country: Country) -> ComplaintsOf:
    """The portal's own service on its own store, with its own key."""
    edge = edge_of(country, topology.PORTAL)
    client = PeerClient(edge)
    store = PortalStore(open_engine(store_url(country, topology.PORTAL)))
    keys = [VerifierKey.parse((country.folder / name).read_text().strip()) for name in ("log.vkey", "witness.vkey")]
    proofs = Proofs(RemoteLog(client), keys[0], keys[1:])
    records = RecordList(store, lambda: Names({}, {}, {}, {}), proofs)
    return ComplaintsOf(store, records, edge, client, SystemRandomness())


def test_a_complaint_comes_with_its_record_and_names_nobody(played: tuple[Country, first_case.FirstCase]) -> None:
    country, case = played
    portal = of_portal(country)
    index = json.loads(case.accesses[0].proof or "{}")
    listed = portal._records.all(case.account)[0]
    assert index
    reference = portal.complain(case.account, listed.index, "申請していません。")
    officer = Officer.of(country)
    (one,) = officer.complaints()
    assert (one.reference, one.log_index, one.says) == (reference, listed.index, "申請していません。")
    assert one.transaction == listed.kept.transaction
    assert portal.stand(case.account)[0].state is ComplaintState.RECEIVED
    officer.answer_complaint(reference, ComplaintState.JUSTIFIED, "調べた結果、認められない照会でした。")
    (stands,) = portal.stand(case.account)
    assert (stands.state, stands.answer) == (ComplaintState.JUSTIFIED, "調べた結果、認められない照会でした。")
    found_at = holders(country, first_case.needles(country, case))
    assert not {"number", "name", "code_portal"} & {
        name for name, parties in found_at.items() if topology.OVERSIGHT in parties
    }
    with portal._store.reading() as reading:
        assert "申請" not in str(reading.conn.execute(select(complaint)).all())


def test_what_does_not_stand_in_the_log_is_not_taken(played: tuple[Country, first_case.FirstCase]) -> None:
    country, case = played
    proof = json.loads(case.accesses[0].proof or "{}")
    forged = {**proof, "record": {**proof["record"], "provider": "z-town"}}
    edge = edge_of(country, topology.PORTAL)
    reference = "a" * 32
    sealed = seal(
        b'{"says":"x"}', edge.directory.seal_key(topology.OVERSIGHT), complaint_binding(reference, "complained")
    )
    message = edge.message(
        Complain, topology.OVERSIGHT, reference=reference, proof=json.dumps(forged), sealed=b64(sealed)
    )
    with pytest.raises(Problem) as caught:
        PeerClient(edge).send("/complaints", message, ComplaintTaken)
    assert caught.value.code == "log.proof_invalid"


def test_only_the_portal_complains_and_only_an_officer_reads(played: tuple[Country, first_case.FirstCase]) -> None:
    country, _ = played
    for party in (RESIDENT, PartyId("x-city/desk")):
        edge = edge_of(country, party)
        for path, message in (
            ("/complaints", edge.message(Complain, topology.OVERSIGHT, reference="b" * 32, proof="{}", sealed="")),
            ("/complaints/shown", edge.message(ShowComplaints, topology.OVERSIGHT)),
        ):
            with pytest.raises(Problem) as caught:
                PeerClient(edge).send(path, message, ComplaintTaken)
            assert caught.value.code == "peer.not_allowed"
    with pytest.raises(Problem, match="No such complaint"):
        Officer.of(country).answer_complaint("c" * 32, ComplaintState.IN_WORK, "x")
