"""Following (加入の追随): whether institutions have joined or left since the supervisor last looked."""

from __future__ import annotations

from kumihimo.country.layout import Country


class Following:
    """Looks at `country.toml`, which is replaced in one step when an institution joins or leaves."""

    def __init__(self, country: Country) -> None:
        self._country = country
        self._seen = self._state()

    def changed(self) -> Country | None:
        """The country as it is now, once for every change."""
        state = self._state()
        if state == self._seen:
            return None
        self._seen = state
        self._country = Country.open(self._country.folder)
        return self._country

    def _state(self) -> tuple[int, int]:
        found = (self._country.folder / "country.toml").stat()
        return found.st_ino, found.st_mtime_ns
