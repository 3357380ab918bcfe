"""Own information in a running country: the portal asks every office over the lines of the topology, and a clerk corrects."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from kumihimo.cli.main import app
from kumihimo.country import topology
from kumihimo.country.layout import Country
from kumihimo.country.scenarios.first_case import FirstCase
from kumihimo.country.scenarios.waiting import until
from kumihimo.domain.codes import domain_label
from kumihimo.domain.kernel import SystemClock, SystemRandomness
from kumihimo.domain.law import RuleBook
from kumihimo.plumbing.storage import open_engine
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.link_keys import LinkKeys
from kumihimo.plumbing.wire.messages.information import CorrectionState
from kumihimo.roles.portal.service.corrections import CorrectionsOf
from kumihimo.roles.portal.service.information import Information
from kumihimo.roles.portal.service.look_ups import State
from kumihimo.roles.portal.settings import Settings
from kumihimo.roles.portal.store import PortalStore


def test_hanako_sees_what_every_office_has_and_a_clerk_answers_her_correction(
    country: Country, case: FirstCase, tmp_path: Path
) -> None:
    settings = Settings.load(country.settings(topology.PORTAL))
    edge = settings.edge(SystemClock())
    client, store = PeerClient(edge, 30), PortalStore(open_engine(settings.store))
    keys = LinkKeys(edge, client)
    information = Information(
        store, edge, client, RuleBook.load(), lambda epoch: keys.secret(domain_label("portal", epoch)),
        SystemRandomness(), 60,
    )  # fmt: skip
    looked = information.ask(case.account)
    assert {one.state for one in looked.answers} <= {State.PROVIDED, State.NONE}
    assert {"local-tax", "medical-insurance", "pension", "resident-record", "employment-insurance"} <= set(
        looked.items()
    )
    assert len(looked.provided("resident-record")) == 2, "she moved from one city to another"

    def recorded() -> bool | None:
        with store.reading() as transaction:
            outcomes = transaction.outcomes([one.transaction for one in looked.answers])
        return len(outcomes) == len(looked.answers) or None

    until(recorded, 30, "the access records of her look-up with their outcomes")
    corrections = CorrectionsOf(store, edge, client, SystemRandomness())
    (tax,) = (one for one in looked.provided("local-tax") if one.question.provider == "y-city")
    reference = corrections.ask(case.account, tax, "所得の金額が違います。")
    at = ["--in", "y-city", "--country", str(country.folder)]
    shown = CliRunner().invoke(app, ["corrections", "list", *at])
    assert (shown.exit_code, reference in shown.stdout) == (1, True)
    said = ["--reference", reference, "--say", "確かめましたが、正しい金額です。", "--not-corrected"]
    assert CliRunner().invoke(app, ["corrections", "answer", *at, *said]).exit_code == 0
    (stands,) = corrections.stand(case.account)
    assert (stands.state, stands.answer) == (CorrectionState.NOT_CORRECTED, "確かめましたが、正しい金額です。")
    information.close()
