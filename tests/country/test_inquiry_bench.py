"""The bench of inquiries asks a real country, and every inquiry it times was provided."""

import pytest

from kumihimo.cli import bench
from kumihimo.country.benches import costs, inquiry
from kumihimo.country.benches.figures import Effort
from kumihimo.country.benches.reaches import REACHES
from kumihimo.country.layout import Country
from kumihimo.domain.kernel import Problem


def test_inquiries_are_timed_alone_and_with_16_callers(country: Country) -> None:
    figures = {one.name: one for one in inquiry.measure(country, Effort.QUICK)}
    assert {name for name in REACHES if name.startswith("inquiry.")} <= figures.keys()
    assert all(one.value > 0 and one.ratio is not None and one.ratio > 0 for one in figures.values())
    assert figures["inquiry.p50"].value <= figures["inquiry.p99"].value


def test_an_inquiry_that_is_not_provided_is_not_timed_as_one(country: Country, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inquiry, "AFFAIR", "student-aid.loans")
    with pytest.raises(Problem) as caught:
        bench.inquiry(country.folder, quick=True)
    assert "refused" in caught.value.detail


def test_what_one_more_inquiry_costs_is_told_of_every_party(country: Country) -> None:
    figures = {one.figure: one.value for one in costs.measure(country, Effort.QUICK)}
    for what in ("inquiry", "batch"):
        told = {f"{what}_{kind}_{part}" for kind in ("cpu", "disk") for part in costs.parts(costs.SINGLE_PROVIDER)}
        assert told <= figures.keys()
        assert figures[f"{what}_cpu_operator_1"] > 0
        assert figures[f"{what}_disk_operator_1"] > 0
    assert all(value > 0 for figure, value in figures.items() if figure.startswith("memory_"))
