"""The bench of logging in measures whole log-ins: from the click to the authenticated page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from card_town import Town, free_port

from kumihimo.country.benches.login import LoginStage, log_ins


def test_whole_log_ins_are_measured(driver: Any, town: Town, pins: Path) -> None:
    asked = len(town.jpki.asked)
    stage = LoginStage(town.reader.environment, pins, replace(town.settings, port=free_port()))
    taken = log_ins(driver, stage, 2)
    assert len(taken) == 2
    assert len(town.jpki.asked) == asked + 4  # two to warm up; the responder was asked each time
