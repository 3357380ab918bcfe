"""One command makes the browsers of a person, or of a machine, find the card; again changes nothing; removed is removed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from kumihimo.domain.kernel import Problem
from kumihimo.roles.card.host.installing import (
    EXTENSION,
    HOST_NAME,
    Place,
    extension_id,
    install_browser,
    remove_browser,
)
from kumihimo.roles.card.host.settings import HostSettings


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_persons_browsers_find_the_card(tmp_path: Path) -> None:
    place = Place(tmp_path / "ho'me")
    installed = install_browser(place, settings=HostSettings(development=True))
    manifest = json.loads(place.manifest("chromium").read_text())
    assert manifest["name"] == HOST_NAME
    assert manifest["allowed_origins"] == [f"chrome-extension://{extension_id()}/"]
    greeted = subprocess.run([manifest["path"], "chrome-extension://x/"], input=b"", capture_output=True, check=True)
    assert b'"version"' in greeted.stdout
    for browser in ("chrome", "edge", "brave"):
        assert json.loads(place.manifest(browser).read_text()) == manifest
    assert HostSettings.load(place.folder / "host.toml").development
    assert str(installed.extension) in installed.how


def test_doing_it_again_changes_nothing(tmp_path: Path) -> None:
    place = Place(tmp_path)
    assert install_browser(place).changed
    before = {path: (tmp_path / path).stat().st_mtime_ns for path in files_below(tmp_path)}
    assert install_browser(place).changed == ()
    assert {path: (tmp_path / path).stat().st_mtime_ns for path in files_below(tmp_path)} == before


def test_removed_is_removed_and_nothing_else(tmp_path: Path) -> None:
    place = Place(tmp_path)
    others = place.manifest("chrome").with_name("eu.webeid.json")
    others.parent.mkdir(parents=True)
    others.write_text("{}")
    install_browser(place)
    assert remove_browser(place).changed
    assert files_below(tmp_path) == {str(others.relative_to(tmp_path))}
    assert remove_browser(place).changed == ()


def test_for_everybody_debians_chromium_loads_the_extension_by_itself(tmp_path: Path) -> None:
    place = Place(tmp_path, everybody=True)
    (tmp_path / "etc/chromium.d").mkdir(parents=True)
    installed = install_browser(place)
    shell = f'. {tmp_path}/etc/chromium.d/kumihimo-card; echo "$CHROMIUM_FLAGS"'
    flags = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True)
    assert flags.stdout.strip() == f"--load-extension={installed.extension}"
    assert (tmp_path / "etc/chromium/native-messaging-hosts" / f"{HOST_NAME}.json").is_file()
    remove_browser(place)
    assert files_below(tmp_path) == set()


def test_brave_is_set_up_for_each_person(tmp_path: Path) -> None:
    with pytest.raises(Problem) as caught:
        install_browser(Place(tmp_path, everybody=True), ("brave",))
    assert caught.value.code == "value.invalid"


def test_a_folder_that_cannot_be_written_is_one_clear_problem(tmp_path: Path) -> None:
    (tmp_path / ".local").write_text("a file where a folder should be")
    with pytest.raises(Problem) as caught:
        install_browser(Place(tmp_path))
    assert caught.value.code == "file.unwritable"


def test_the_extensions_id_does_not_change() -> None:
    """Sites, policies and the card program's manifest name it."""
    assert extension_id() == "fniplbndccpjfhkpakkpjlfmlccnmnbh"


def test_the_extension_asks_for_no_more_than_it_needs() -> None:
    manifest = json.loads((EXTENSION / "manifest.json").read_text())
    assert manifest["permissions"] == ["nativeMessaging"]
    assert "host_permissions" not in manifest
