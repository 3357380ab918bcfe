"""Every command explains itself, on a narrow terminal too, and bad input is one plain message with the right status."""

import re
from pathlib import Path

import click
import pytest
import typer
from typer.testing import CliRunner, Result

from kumihimo.cli.main import app
from kumihimo.domain.kernel import Problem

NARROW = {"COLUMNS": "80"}


def every_command() -> list[tuple[str, ...]]:
    """The paths of all commands and groups, the program itself among them."""
    found: list[tuple[str, ...]] = []

    def walk(command: object, path: tuple[str, ...]) -> None:
        found.append(path)
        for name, one in getattr(command, "commands", {}).items():
            walk(one, (*path, name))

    walk(typer.main.get_command(app), ())
    return found


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env=NARROW)


@pytest.mark.parametrize("path", every_command(), ids=" ".join)
def test_every_command_explains_itself_within_80_columns(path: tuple[str, ...]) -> None:
    result = run(*path, "--help")
    assert result.exit_code == 0
    usage, *text = result.stdout.splitlines()
    assert usage.startswith("Usage: ")
    assert not re.search(r"\{[a-z]", usage), "what is to be given stands in capitals"
    assert not [line for line in text if line.endswith("...")]


def test_every_command_is_known() -> None:
    names = {" ".join(path) for path in every_command()}
    assert {"demo", "country up", "inquire", "import", "find", "rules ask", "log verify-proof", "serve"} <= names
    assert len(names) > 25


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["country", "up", "nowhere"], "country.missing"),
        (["country", "new", "/proc/nowhere"], "file.unwritable"),
        (["log", "verify", "--country", "nowhere"], "country.missing"),
        (["import", "none.csv", "--into", "y-city", "--item", "local-tax"], "file.unreadable"),
        (["migrate", "numbering", "--settings", "none.toml"], "file.unreadable"),
        (["serve", "numbering", "--settings", "none.toml"], "file.unreadable"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value[:2]),
)
def test_what_is_not_there_is_one_problem_and_nothing_on_standard_output(
    arguments: list[str], code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert isinstance(result.exception, Problem)
    assert result.exception.code == code
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["find", "--in", "x-city"], ["serve", "nobody"], ["country", "new"]])
def test_a_command_given_too_little_says_how_it_is_used(arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == click.UsageError.exit_code
    assert "--help" in result.stderr
    assert result.stdout == ""
