"""The plan in docs/scale.md is what `kumihimo scale` makes of the figures beside it, and all of them were measured."""

from __future__ import annotations

import re
from pathlib import Path

from typer.testing import CliRunner

from kumihimo.cli.main import app

DOCS = Path(__file__).parents[3] / "docs"


def test_the_plan_is_counted_up_from_the_figures_beside_it() -> None:
    printed = CliRunner().invoke(app, ["scale", str(DOCS / "figures.jsonl")], env={"COLUMNS": "120"})
    assert printed.exit_code == 0, printed.output
    shown = re.search(
        r"<!-- kumihimo scale docs/figures\.jsonl -->\n```\n(.*?)\n```", (DOCS / "scale.md").read_text(), re.S
    )
    assert shown is not None
    assert [line.rstrip() for line in shown[1].splitlines()] == [line.rstrip() for line in printed.output.splitlines()]
