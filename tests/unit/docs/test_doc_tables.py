"""What the documents say about the code is what the code says."""

from __future__ import annotations

import re
import runpy
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from kumihimo.cli.main import app
from kumihimo.domain.kernel.errors import CATALOGUE

ROOT = Path(__file__).resolve().parents[3]
GENERATOR = runpy.run_path(str(ROOT / "scripts" / "doc_tables.py"))
WITH_TABLES: Callable[[str], str] = GENERATOR["with_tables"]
FOLDERS = "docs|scripts|src|tests|domain|plumbing|roles|country|cli"
PAGES = sorted([*ROOT.glob("README*.md"), *ROOT.glob("docs/**/*.md")])


def _words_of(page: str) -> list[list[str]]:
    """Every line of a document's shell blocks as words, without comments."""
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = "".join(re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    lines = (shlex.split(line, comments=True) for line in blocks.replace("\\\n", " ").splitlines())
    return [words for words in lines if words]


@pytest.mark.parametrize("page", GENERATOR["DOCUMENTS"])
def test_the_tables_of_a_document_are_those_the_code_gives(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert "<!-- begin: " in text
    assert WITH_TABLES(text) == text, "run .venv/bin/python scripts/doc_tables.py"


def test_the_description_of_the_institution_api_is_what_it_says_itself() -> None:
    assert GENERATOR["API"].read_text(encoding="utf-8") == GENERATOR["institution_api"](), "run scripts/doc_tables.py"


def test_the_table_of_problems_has_every_code_of_the_catalogue_and_no_other() -> None:
    text = (ROOT / "docs" / "protocols.md").read_text(encoding="utf-8")
    table = text.partition("<!-- begin: problems -->")[2].partition("<!-- end: problems -->")[0]
    rows = re.findall(r"^\| `([^`]+)` \| (\d+) \| (.+) \|$", table, re.MULTILINE)
    assert {code: (int(status), title) for code, status, title in rows} == CATALOGUE


def test_both_languages_of_the_readme_give_the_same_commands_and_sections() -> None:
    assert _words_of("README.md") == _words_of("README.ja.md")
    english, japanese = (
        re.findall(r"^#+ ", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
        for page in ("README.md", "README.ja.md")
    )
    assert english == japanese


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_a_document_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(rf"`((?:{FOLDERS})/(?:[a-z0-9_]+/)*(?:[a-z0-9_]+\.[a-z]+)?)`", text)
    linked = re.findall(r"\]\(([^)#:]+)\)", text)
    missing = {name for name in named if not any((base / name).exists() for base in (ROOT, ROOT / "src" / "kumihimo"))}
    missing |= {name for name in linked if not (page.parent / name).exists()}
    assert not missing


def _commands() -> list[list[str]]:
    """Every `kumihimo …` line that a document shows."""
    lines = (words for page in PAGES for words in _words_of(str(page.relative_to(ROOT))))
    return [words for words in lines if words[0] == "kumihimo"]


@pytest.mark.parametrize("words", _commands(), ids=" ".join)
def test_every_command_a_document_shows_exists_with_its_options(words: list[str]) -> None:
    command = typer.main.get_command(app)
    rest = words[1:]
    while rest and (inner := getattr(command, "commands", {}).get(rest[0])) is not None:
        command, rest = inner, rest[1:]
    assert not getattr(command, "commands", {}), f"{' '.join(words)} names no command"
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in rest if word.startswith("--")} <= options


def test_every_event_of_the_program_logs_is_explained_to_operators() -> None:
    sources = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "src").rglob("*.py"))
    written = set(re.findall(r'\b(?:log|get_logger\(\))\.(?:info|warning|error|exception)\(\s*"([^"]+)"', sources))
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    table = page.partition("| event | who |")[2].partition("\n\n")[0]
    explained = {event for row in table.splitlines()[2:] for event in re.findall(r"`([^`]+)`", row.split("|")[1])}
    assert written == explained


def test_every_test_that_security_names_exists_and_every_threat_has_one() -> None:
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", page)
    functions = {
        (file.name, name)
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)\(", file.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert len(named) > 80
    assert set(named) <= functions, sorted(set(named) - functions)
    threats = re.findall(
        r"^\*\*([A-Z][^*]+?)\.\*\*", page.partition("## 3.")[2].partition("### Which test")[0], re.MULTILINE
    )
    table = page.partition("### Which test shows it")[2].partition("### Faults")[0]
    rows = [row for row in table.splitlines() if row.startswith("| ") and "::" in row]
    assert len(threats) <= len(rows), (len(threats), len(rows))
