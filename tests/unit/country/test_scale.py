"""The plan for a nation is nothing but measured costs times how often they happen."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kumihimo.country.scale import Figures, Load, Need, planned
from kumihimo.domain.kernel import Problem

PARTS = ("requester", "operator_1", "operator_2", "provider", "portal", "oversight")
ROLES = ("hub", "portal", "oversight", "registry", "numbering", "ledger", "exchange")
MIB, GIB = 2**20, 2**30
COSTS = {
    **{f"costs.{what}_cpu_{part}": cost for part in PARTS for what, cost in (("inquiry", 4.0), ("batch", 0.5))},
    **{f"costs.{what}_disk_{part}": 1_000.0 for part in PARTS for what in ("inquiry", "batch")},
    **{f"costs.memory_{role}": 128.0 for role in ROLES},
    **{f"costs.idle_{role}": 2.0 for role in ROLES},
    "country.postgresql_1m": 160.0,
    "country.postgresql_disk": 1_000.0,
    "translate.hop": 5_000.0,
}
LOAD = Load(
    people=1_000_000, bodies=100, holders=5, inquiries=36_000_000, batch_persons=72_000_000, working_hours=1_000.0,
    batch_hours=1_000.0, peak=3.0, largest=0.5, utilisation=0.5,
)  # fmt: skip


def by_part(load: Load, costs: dict[str, float] | None = None) -> dict[str, Need]:
    return {need.part: need for need in planned(Figures(costs or COSTS), load).needs}


def test_the_busier_of_day_and_night_decides() -> None:
    assert (LOAD.singles_a_second, LOAD.persons_a_second) == (30.0, 20.0)
    need = by_part(LOAD)["operator_1"]
    assert need.cores == pytest.approx(30 * 0.004 / 0.5)
    assert by_part(replace(LOAD, inquiries=0))["operator_1"].cores == pytest.approx(20 * 0.0005 / 0.5)
    assert (need.processes, need.memory) == (1, 128 * MIB)
    assert need.yearly == pytest.approx((36e6 + 72e6) * 1_000)


def test_a_process_keeps_one_core_busy() -> None:
    need = by_part(replace(LOAD, inquiries=36_000_000 * 10))["operator_2"]
    assert need.cores == pytest.approx(2.4)
    assert (need.processes, need.memory) == (3, 3 * 128 * MIB)


def test_bodies_run_two_processes_each_and_take_time_when_nobody_asks() -> None:
    needs = by_part(LOAD)
    asked = 2 * 30 * 0.004 / 0.5
    assert needs["all bodies"].cores == pytest.approx(asked + 100 * 2 * 0.002)
    assert (needs["all bodies"].processes, needs["all bodies"].memory) == (200, 200 * 128 * MIB)
    assert needs["the largest body"].cores == pytest.approx(asked * 0.5)


def test_what_is_done_once_and_stays() -> None:
    plan = planned(Figures(COSTS), LOAD)
    assert [one.core_hours for one in plan.once] == pytest.approx([1e6 * 160e-6 / 3600, 1e6 * 5 * 2 / 5_000 / 3600])
    assert by_part(LOAD)["registry and numbering"].disk == pytest.approx(1e9)


@given(times=st.integers(1, 50))
def test_disk_and_cores_grow_linearly_with_the_load(times: int) -> None:
    once, more = (
        by_part(LOAD),
        by_part(replace(LOAD, inquiries=LOAD.inquiries * times, batch_persons=LOAD.batch_persons * times)),
    )
    for part in ("operator_1", "portal", "the largest body"):
        assert more[part].cores == pytest.approx(once[part].cores * times)
        assert more[part].yearly == pytest.approx(once[part].yearly * times)


@pytest.mark.parametrize("missing", sorted(COSTS))
def test_a_cost_that_was_not_measured_is_an_error_that_names_the_bench(missing: str) -> None:
    if missing in {
        "costs.idle_hub",
        "costs.idle_portal",
        "costs.idle_oversight",
        "costs.idle_registry",
        "costs.idle_numbering",
    }:
        return  # what runs once in a nation takes nothing worth counting while nobody asks
    with pytest.raises(Problem, match=f"kumihimo bench {missing.partition('.')[0]}"):
        planned(Figures({name: cost for name, cost in COSTS.items() if name != missing}), LOAD)


def test_figures_are_the_lines_of_the_bench_and_the_last_counts() -> None:
    lines = [json.dumps({"bench": "translate", "figure": "hop", "value": value}) for value in (1.0, 2.0)]
    assert Figures.read([*lines, ""], "f").of("translate.hop") == 2.0


@pytest.mark.parametrize("line", ["not json", "[]", "{}", '{"bench": "a", "figure": "b", "value": "x"}', "3"])
def test_a_line_that_is_no_figure_is_named(line: str) -> None:
    with pytest.raises(Problem, match="line 2") as caught:
        Figures.read(['{"bench": "a", "figure": "b", "value": 1}', line], "figures.jsonl")
    assert caught.value.code == "file.unreadable"
