"""Installing (導入): the browser is told where the card program is, and the extension's folder is put where it can be loaded.

For one person in their home folder, or for everybody on the machine. Doing it again changes nothing; removing takes away what was
put there and nothing else. Linux; Chromium, Chrome, Edge and Brave.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from kumihimo.domain.kernel.errors import Problem
from kumihimo.roles.card.host.settings import HostSettings

Browser = Literal["chromium", "chrome", "edge", "brave"]
BROWSERS: Final[tuple[Browser, ...]] = ("chromium", "chrome", "edge", "brave")
HOST_NAME: Final = "jp.kumihimo.card"
EXTENSION: Final = Path(__file__).parent / "extension"
_PERSONS: Final[Mapping[Browser, str]] = {
    "chromium": ".config/chromium/NativeMessagingHosts",
    "chrome": ".config/google-chrome/NativeMessagingHosts",
    "edge": ".config/microsoft-edge/NativeMessagingHosts",
    "brave": ".config/BraveSoftware/Brave-Browser/NativeMessagingHosts",
}
_EVERYBODYS: Final[Mapping[Browser, str]] = {
    "chromium": "etc/chromium/native-messaging-hosts",
    "chrome": "etc/opt/chrome/native-messaging-hosts",
    "edge": "etc/opt/edge/native-messaging-hosts",
}
_PERSONS_FOLDER: Final = ".local/share/kumihimo-card"
_EVERYBODYS_FOLDER: Final = "usr/local/share/kumihimo-card"
_FLAGS: Final = "etc/chromium.d/kumihimo-card"  # Debian's chromium reads what is in that folder when it starts
_FLAG: Final = 'export CHROMIUM_FLAGS="$CHROMIUM_FLAGS --load-extension={folder}"\n'


@dataclass(frozen=True)
class Place:
    """Where to install: below a person's home folder, or below the machine's root for everybody."""

    base: Path
    everybody: bool = False

    @classmethod
    def home(cls) -> Place:
        """For the person who runs this."""
        return cls(Path.home())

    @classmethod
    def system(cls) -> Place:
        """For everybody on this machine; needs to be root."""
        return cls(Path("/"), everybody=True)

    @property
    def folder(self) -> Path:
        """Where the program, its settings and the extension are put."""
        return self.base / (_EVERYBODYS_FOLDER if self.everybody else _PERSONS_FOLDER)

    def manifest(self, browser: Browser) -> Path:
        """Where a browser looks for the card program. Raises Problem(value.invalid)."""
        folder = (_EVERYBODYS if self.everybody else _PERSONS).get(browser)
        if folder is None:
            known = ", ".join(_EVERYBODYS)
            raise Problem("value.invalid", f"{browser} is set up for each person only", "browser", known)
        return self.base / folder / f"{HOST_NAME}.json"

    @property
    def flags(self) -> Path | None:
        """The file that makes Debian's chromium load the extension by itself, where there can be one."""
        path = self.base / _FLAGS
        return path if self.everybody and path.parent.is_dir() else None


@dataclass(frozen=True)
class Installed:
    """What was done. `changed` is empty when everything was there already; `how` says how to load the extension."""

    changed: tuple[Path, ...]
    extension: Path
    extension_id: str
    how: str


def extension_id() -> str:
    """The extension's id, from the key in its manifest: the same on every machine."""
    key = base64.b64decode(json.loads((EXTENSION / "manifest.json").read_text())["key"])
    return "".join(chr(ord("a") + int(digit, 16)) for digit in hashlib.sha256(key).hexdigest()[:32])


def install_browser(
    place: Place,
    browsers: tuple[Browser, ...] | None = None,
    settings: HostSettings | None = None,
    python: str = sys.executable,
) -> Installed:
    """Make browsers find the card program. `browsers`: all that can be set up there, when not said.

    Raises Problem(file.unwritable, value.invalid).
    """
    chosen = browsers or tuple(browser for browser in BROWSERS if browser in _EVERYBODYS or not place.everybody)
    changed = [
        path
        for path, content, mode in _files(place, chosen, settings or HostSettings(), python)
        if _write(path, content, mode)
    ]
    extension = place.folder / "extension"
    return Installed(tuple(changed), extension, extension_id(), _how(place, extension))


def remove_browser(place: Place) -> Installed:
    """Take away what `install_browser` put there, for all browsers. Raises Problem(file.unwritable)."""
    removed = []
    try:
        for browser in BROWSERS:
            if browser in _EVERYBODYS or not place.everybody:
                removed += _unlinked(place.manifest(browser))
        removed += _unlinked(place.base / _FLAGS) if place.everybody else []
        if place.folder.is_dir():
            shutil.rmtree(place.folder)
            removed.append(place.folder)
    except OSError as error:
        raise _unwritable(error) from None
    how = "Remove the extension “Kumihimo card” on the browser's page chrome://extensions, if you loaded it there."
    return Installed(tuple(removed), place.folder / "extension", extension_id(), how)


def _files(
    place: Place, browsers: tuple[Browser, ...], settings: HostSettings, python: str
) -> Iterator[tuple[Path, bytes, int]]:
    """Path, content and mode of everything that is installed; the manifests last, when what they name is there."""
    program = place.folder / "host"
    for source in sorted(EXTENSION.iterdir()):
        yield place.folder / "extension" / source.name, source.read_bytes(), 0o644
    yield place.folder / "host.toml", settings.text().encode(), 0o644
    yield program, _program(place.folder / "host.toml", python).encode(), 0o755
    manifest = {
        "name": HOST_NAME,
        "description": "Kumihimo: log in and sign with the Individual Number card",
        "path": str(program),
        "type": "stdio",
        "allowed_origins": [f"chrome-extension://{extension_id()}/"],
    }
    if place.flags is not None and "chromium" in browsers:
        yield place.flags, _FLAG.format(folder=place.folder / "extension").encode(), 0o644
    for browser in browsers:
        yield place.manifest(browser), (json.dumps(manifest, indent=2) + "\n").encode(), 0o644


def _program(settings: Path, python: str) -> str:
    """A native-messaging manifest names one program without arguments, so there has to be one."""
    source = Path(__file__).parents[4]
    command = [python, "-s", "-P", "-m", __name__.rpartition(".")[0], "--settings", str(settings)]
    return f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(source))} exec {shlex.join(command)} "$@"\n'


def _write(path: Path, content: bytes, mode: int) -> bool:
    """Write a file whole or not at all; False when it was as it should be."""
    try:
        if path.is_file() and path.read_bytes() == content and path.stat().st_mode & 0o777 == mode:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f"{path.name}.new")
        new.write_bytes(content)
        new.chmod(mode)
        new.replace(path)
    except OSError as error:
        raise _unwritable(error) from None
    return True


def _unlinked(path: Path) -> list[Path]:
    if not path.exists():
        return []
    path.unlink()
    return [path]


def _unwritable(error: OSError) -> Problem:
    advice = "For everybody on the machine it has to be run as root." if error.errno in (1, 13) else None
    return Problem("file.unwritable", error.strerror or "cannot be written", str(error.filename), advice=advice)


def _how(place: Place, extension: Path) -> str:
    by_itself = "Debian's Chromium loads the extension by itself when it is started anew. " if place.flags else ""
    return (
        f"{by_itself}Other browsers: open chrome://extensions, switch on “Developer mode”, press “Load unpacked” and choose "
        f"{extension}"
    )
