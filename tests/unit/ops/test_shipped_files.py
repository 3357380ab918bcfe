"""What is shipped for the machines that run and watch a country fits the programs that it is for."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from kumihimo.plumbing.wire.meters import COUNTERS, GAUGES, PREFIX, REQUEST_SECONDS

OPS = Path(__file__).parents[3] / "ops"
PROCESS = {"process_resident_memory_bytes", "process_cpu_seconds_total"}


def exposed() -> set[str]:
    """Every name under which a service may show a figure."""
    histogram = {f"{PREFIX}{REQUEST_SECONDS}_{part}" for part in ("bucket", "sum", "count")}
    return {PREFIX + name for name in GAUGES} | {f"{PREFIX}{name}_total" for name in COUNTERS} | histogram | PROCESS


def named(text: str) -> set[str]:
    return set(re.findall(r"\b(?:kumihimo|process)_\w+", text))


def test_every_metric_of_the_dashboard_exists_and_every_one_of_ours_is_on_it() -> None:
    dashboard = json.loads((OPS / "grafana-dashboard.json").read_text())
    wanted = {name for panel in dashboard["panels"] for one in panel["targets"] for name in named(one["expr"])}
    assert wanted == exposed()


def test_every_label_of_the_dashboard_is_one_of_its_metric() -> None:
    labels = {PREFIX + name: set(of) for name, (_, of) in GAUGES.items()}
    labels |= {f"{PREFIX}{name}_total": set(of) for name, (_, of) in COUNTERS.items()}
    for panel in json.loads((OPS / "grafana-dashboard.json").read_text())["panels"]:
        for one in panel["targets"]:
            of = set().union(*(labels.get(name, {"path"}) for name in named(one["expr"])))
            assert set(re.findall(r"\{\{(\w+)\}\}", one["legendFormat"])) <= of | {"party"}, panel["title"]


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    panels = json.loads((OPS / "grafana-dashboard.json").read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}) == len(panels)


@pytest.mark.parametrize("file", ["prometheus-alerts.yml"])
def test_every_metric_of_an_alert_exists(file: str) -> None:
    expressions = re.findall(r"expr: (.+)", (OPS / file).read_text())
    assert len(expressions) >= 5
    assert set().union(*map(named, expressions)) <= exposed() | {"process_start_time_seconds"}
