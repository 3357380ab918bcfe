"""Settings: a file says who a role is; the environment goes before it; what is wrong is said without the values."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_country import LEDGER, SmallCountry

from kumihimo.domain.kernel import Problem, SystemClock
from kumihimo.plumbing.wire.settings import RoleSettings


class WatchedSettings(RoleSettings):
    """A role that is also told whom to watch."""

    witness_keys: tuple[str, ...] = ()


def lines(**changes: object) -> str:
    values: dict[str, object] = {
        "party": "x-city/ledger",
        "keys": "keys",
        "directory": "../directory.json",
        "store": "sqlite:///store.db",
        "port": 8443,
    }
    return "".join(f"{name} = {value!r}\n" for name, value in (values | changes).items() if value is not None)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "role.toml"


def fault(file: Path, text: str) -> Problem:
    file.write_text(text)
    with pytest.raises(Problem) as caught:
        WatchedSettings.load(file)
    assert caught.value.code == "file.unreadable"
    assert caught.value.where == str(file)
    return caught.value


def test_relative_places_are_beside_the_file(file: Path, tmp_path: Path) -> None:
    file.write_text(lines())
    settings = RoleSettings.load(file)
    assert settings.keys == tmp_path / "keys"
    assert settings.directory == tmp_path / "../directory.json"
    assert settings.store == f"sqlite:///{tmp_path}/store.db"
    assert (settings.party, settings.host, settings.port) == ("x-city/ledger", "127.0.0.1", 8443)


def test_absolute_places_and_other_databases_stay_as_they_are(file: Path) -> None:
    file.write_text(lines(keys="/etc/keys", store="sqlite:////var/lib/ledger.db"))
    assert RoleSettings.load(file).keys == Path("/etc/keys")
    assert RoleSettings.load(file).store == "sqlite:////var/lib/ledger.db"
    file.write_text(lines(store="postgresql+psycopg://ledger@db/ledger"))
    assert RoleSettings.load(file).store == "postgresql+psycopg://ledger@db/ledger"


def test_the_environment_goes_before_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(lines(witness_keys=["a"]))
    monkeypatch.setenv("KUMIHIMO_PORT", "9443")
    monkeypatch.setenv("KUMIHIMO_STORE", "postgresql+psycopg://ledger@db/ledger")
    monkeypatch.setenv("KUMIHIMO_WITNESS_KEYS", '["b", "c"]')
    settings = WatchedSettings.load(file)
    assert (settings.port, settings.store) == (9443, "postgresql+psycopg://ledger@db/ledger")
    assert settings.witness_keys == ("b", "c")


def test_a_value_may_come_from_the_environment_alone(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(lines(store=None))
    monkeypatch.setenv("KUMIHIMO_STORE", "sqlite:///other.db")
    assert RoleSettings.load(file).store == f"sqlite:///{file.parent}/other.db"


def test_variables_that_are_no_setting_are_let_be(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(lines())
    monkeypatch.setenv("KUMIHIMO_CAPTURE", "/somewhere")
    assert RoleSettings.load(file).port == 8443


def test_a_setting_that_is_missing_is_named_and_no_password_is_shown(file: Path) -> None:
    problem = fault(file, lines(port=None, store="postgresql+psycopg://ledger:geheim@db/ledger"))
    assert problem.detail == "port: Field required"
    assert "geheim" not in str(problem)


def test_a_setting_that_nobody_knows_is_refused(file: Path) -> None:
    assert fault(file, lines(colour="red")).detail == "colour: Extra inputs are not permitted"


def test_a_setting_of_the_wrong_kind_is_refused(file: Path) -> None:
    assert fault(file, lines(port="https")).detail.startswith("port: Input should be a valid integer")


def test_a_file_that_is_no_toml_or_not_there_is_refused(file: Path) -> None:
    assert "line 1" in fault(file, "party x-city/ledger").detail
    file.unlink()
    with pytest.raises(Problem) as caught:
        RoleSettings.load(file)
    assert caught.value.code == "file.unreadable"


def test_a_file_in_another_encoding_is_refused(file: Path) -> None:
    file.write_bytes('party = "X市/ledger"\n'.encode("shift_jis"))
    with pytest.raises(Problem) as caught:
        RoleSettings.load(file)
    assert caught.value.code == "file.unreadable"


def test_a_variable_that_cannot_be_read_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUMIHIMO_WITNESS_KEYS", "b, c")
    assert "witness_keys" in fault(file, lines()).detail


def test_settings_lead_to_an_edge(country: SmallCountry, file: Path) -> None:
    keys = country.identity(LEDGER).folder
    file.write_text(lines(keys=str(keys), directory=str(country.directory_file)))
    edge = RoleSettings.load(file).edge(SystemClock())
    assert edge.party == LEDGER
    assert edge.directory.party(LEDGER).url


def test_an_edge_without_keys_is_a_problem(country: SmallCountry, file: Path) -> None:
    file.write_text(lines(directory=str(country.directory_file)))
    with pytest.raises(Problem) as caught:
        RoleSettings.load(file).edge(SystemClock())
    assert caught.value.code == "key.missing"
