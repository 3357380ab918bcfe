"""What is typed at a card window and cannot be so is told as one problem, without what was typed."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from kumihimo.cli import card
from kumihimo.cli.main import app
from kumihimo.country.desk import not_to_be_said
from kumihimo.domain.jpki import Document
from kumihimo.domain.kernel import Problem
from kumihimo.plumbing.wire.messages.cards import IdentityCheck


def test_a_member_of_staff_without_a_name_is_told_of() -> None:
    with pytest.raises(Problem) as told:
        card._identified([Document.PASSPORT], "")
    assert (told.value.code, told.value.where) == ("value.invalid", "checked_by")


def test_a_field_that_no_message_may_have_is_named_and_not_repeated() -> None:
    with pytest.raises(ValidationError) as refused:
        IdentityCheck.model_validate(
            {"documents": ["123456789012"], "checked_by": "x", "checked_at": "2026-01-01T00:00Z"}
        )
    told = not_to_be_said(refused.value)
    assert "documents" in str(told.where)
    assert "123456789012" not in str(told)


def test_a_pin_that_there_is_none_of_is_told_before_a_card_is_looked_for(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["card", "change-pin", "--which", "nonsense", "--country", str(tmp_path)])
    assert isinstance(result.exception, Problem)
    assert (result.exception.code, result.exception.where) == ("value.invalid", "--which")
