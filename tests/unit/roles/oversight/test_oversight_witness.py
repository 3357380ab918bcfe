"""The witness cosigns growth once it is durable, answers as C2SP tlog-witness says, and lets nobody else ask."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.types import Receive, Scope, Send

from kumihimo.domain.kernel import PartyId, Problem
from kumihimo.domain.transparency.checkpoint import open_checkpoint
from kumihimo.domain.transparency.merkle import root_of
from kumihimo.domain.transparency.note import NoteKey
from kumihimo.domain.transparency.witness import WitnessedState, parse_cosignatures
from kumihimo.plumbing.storage import read_secret
from kumihimo.plumbing.wire.tls import PEER
from kumihimo.roles.oversight.api import build, prepare
from kumihimo.roles.oversight.service.alarms import AlarmKind
from kumihimo.roles.oversight.service.witness import Witness
from kumihimo.roles.oversight.settings import Settings
from kumihimo.roles.oversight.store import WitnessStore

SENTINEL = b"\x01" * 32


def test_a_cosignature_is_remembered_before_it_is_given(overseer: Any) -> None:
    overseer.operator.log(3)
    overseer.operator.publish()
    line = overseer.witness.add_checkpoint(overseer.operator.request(0))
    assert line.startswith("— oversight.kumihimo.internal/witness ")
    root = root_of(overseer.operator.tree(), 3)
    assert WitnessStore(overseer.engine).state("hub-1.kumihimo.internal/log") == WitnessedState(3, root)


def test_two_histories_of_one_size_are_not_both_cosigned(overseer: Any) -> None:
    overseer.operator.log(3)
    overseer.operator.publish()
    honest = overseer.operator.request(0)
    overseer.operator.rewrite([SENTINEL, *overseer.operator.entries_[1:]])
    forked = overseer.operator.request(0)
    overseer.witness.add_checkpoint(honest)
    with pytest.raises(Problem) as caught:
        overseer.witness.add_checkpoint(forked)
    assert caught.value.code == "log.old_size_differs"


def test_of_two_racing_requests_only_one_is_cosigned(overseer: Any) -> None:
    overseer.operator.log(3)
    overseer.operator.publish()
    honest = overseer.operator.request(0)
    overseer.operator.rewrite([SENTINEL, *overseer.operator.entries_[1:]])
    forked = overseer.operator.request(0)

    class Overtaken(WitnessStore):
        """The other request comes between reading and writing."""

        def state(self, origin: str) -> WitnessedState:
            state = super().state(origin)
            if state.size == 0:
                overseer.witness.add_checkpoint(honest)
            return state

    key = overseer.operator.key.verifier_key
    signer = NoteKey.from_seed("oversight.kumihimo.internal/witness", bytes(range(32, 64)))
    slower = Witness(Overtaken(overseer.engine), overseer.findings, key, signer, overseer.clock)
    with pytest.raises(Problem) as caught:
        slower.add_checkpoint(forked)
    assert caught.value.code == "log.old_size_differs"


def test_a_contradicting_checkpoint_is_refused_and_kept_as_evidence(overseer: Any) -> None:
    overseer.operator.log(3)
    overseer.operator.publish()
    overseer.witness.add_checkpoint(overseer.operator.request(0))
    overseer.operator.rewrite([SENTINEL, *overseer.operator.entries_])
    with pytest.raises(Problem) as caught:
        overseer.witness.add_checkpoint(overseer.operator.request(3))
    assert caught.value.code == "log.inconsistent"
    (alarm,) = overseer.findings.alarms()
    assert alarm.kind is AlarmKind.SPLIT_VIEW
    assert alarm.evidence == overseer.operator.note


class As:
    """The application as a peer with a certificate reaches it."""

    def __init__(self, app: Any, peer: str) -> None:
        self._app = app
        self._peer = PartyId(peer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("extensions", {})[PEER] = self._peer
        await self._app(scope, receive, send)


@pytest.fixture
def settings(country: Path, operator: Any, tmp_path: Path) -> Settings:
    made = Settings(
        party="oversight/body",
        keys=country / "oversight/body/keys",
        directory=country / "directory.json",
        store=f"sqlite:///{tmp_path}/body.db",
        port=1,
        log_key=str(operator.key.verifier_key),
    )
    prepare(made)
    return made


@pytest.fixture
def reach(settings: Settings, clock: Any) -> Callable[[str], TestClient]:
    app = build(settings, clock)
    return lambda peer: TestClient(As(app, peer))


def test_operator_one_gets_a_cosignature_that_holds(
    reach: Callable[[str], TestClient], operator: Any, country: Path, clock: Any
) -> None:
    operator.log(3)
    operator.publish()
    answer = reach("hub-1/operator").post(
        "/witness/add-checkpoint", content=operator.request(0), headers={"content-type": "application/json"}
    )
    assert answer.status_code == 200
    seed = read_secret(country / "oversight/body/keys/witness.key")
    witness = NoteKey.from_seed("oversight.kumihimo.internal/witness", seed).witness_key
    note = open_checkpoint(operator.note, operator.key.verifier_key).note.with_signatures(
        parse_cosignatures(answer.text)
    )
    (cosigned,) = open_checkpoint(str(note), operator.key.verifier_key, [witness]).cosigned
    assert cosigned.at == clock.now()


def test_another_old_size_is_answered_with_the_known_one(reach: Callable[[str], TestClient], operator: Any) -> None:
    hub = reach("hub-1/operator")
    operator.log(3)
    operator.publish()
    hub.post("/witness/add-checkpoint", content=operator.request(0))
    operator.log(2)
    operator.publish()
    answer = hub.post("/witness/add-checkpoint", content=operator.request(0))
    assert (answer.status_code, answer.text) == (409, "3\n")
    assert answer.headers["content-type"].startswith("text/x.tlog.size")
    assert hub.post("/witness/add-checkpoint", content=operator.request(3)).status_code == 200


def test_what_the_specification_refuses_is_refused_with_its_status(
    reach: Callable[[str], TestClient], operator: Any
) -> None:
    hub = reach("hub-1/operator")
    operator.log(3)
    operator.publish()
    good = operator.request(0)
    hub.post("/witness/add-checkpoint", content=good)

    def status(body: str | bytes) -> int:
        return hub.post("/witness/add-checkpoint", content=body).status_code

    assert status("nonsense") == 400
    assert status(b"\xff\xfe") == 400
    assert status(good.replace("old 0", "old 4")) == 400
    assert status(good.replace("hub-1.kumihimo.internal/log\n", "another.example/log\n", 1)) == 404
    stranger = NoteKey.from_seed(operator.key.name, SENTINEL)
    operator.key, honest = stranger, operator.key
    operator.publish()
    assert status(operator.request(3)) == 403
    operator.key = honest
    operator.rewrite([SENTINEL, *operator.entries_])
    assert status(operator.request(3)) == 422
    operator.rewrite([SENTINEL, *operator.entries_[2:]])
    assert status(operator.request(3)) == 409


def test_only_operator_one_may_ask_for_a_cosignature(reach: Callable[[str], TestClient], operator: Any) -> None:
    operator.log(1)
    operator.publish()
    answer = reach("hub-2/operator").post("/witness/add-checkpoint", content=operator.request(0))
    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:kumihimo:problem:peer.not_allowed"


@pytest.mark.parametrize("peer", ["hub-1/operator", "hub-2/operator", "x-city/desk", "portal/resident"])
def test_the_status_tells_counts_to_operators_desks_and_residents(
    reach: Callable[[str], TestClient], peer: str
) -> None:
    assert reach(peer).get("/status").json() == {
        "log": "hub-1.kumihimo.internal/log",
        "verified_size": 0,
        "verified_at": None,
        "records": 0,
        "promises": 0,
        "promises_kept": 0,
        "alarms": 0,
        "alarms_by_kind": {},
        "conditions": 0,
    }


def test_an_exchange_may_not_read_the_status(reach: Callable[[str], TestClient]) -> None:
    assert reach("x-city/exchange").get("/status").status_code == 403


def test_a_key_of_another_log_is_refused_at_start(settings: Settings) -> None:
    values = {**settings.model_dump(), "log_origin": "another.example/log"}
    with pytest.raises(ValueError, match="not a key of another"):
        Settings(**values)


def test_the_status_states_when_the_log_was_verified(overseer: Any) -> None:
    overseer.grow_well(2)
    verified_at = overseer.findings.counts("hub-1.kumihimo.internal/log").verified_at
    assert isinstance(verified_at, datetime)
    assert verified_at == overseer.clock.now()
