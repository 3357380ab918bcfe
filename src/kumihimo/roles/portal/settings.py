"""Settings of My Portal (マイ・ポータル): whose log its proofs are from, and the rule books its sentences are read from."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict

from kumihimo.plumbing.mail import MailSettings
from kumihimo.plumbing.push import PushSettings
from kumihimo.plumbing.wire.settings import RoleSettings


class SiteSettings(BaseModel):
    """The residents' door. `origin` is the site's address as browsers write it; `certificate` and `key` (PEM) are for its name.

    `trusted_authentication` and `trusted_signature`: PEM files of JPKI's issuing authorities. `responder`: an OCSP address in
    place of the one that certificates name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    origin: str
    port: int
    certificate: Path
    key: Path
    trusted_authentication: Path
    trusted_signature: Path
    host: str = "127.0.0.1"
    responder: str | None = None

    def beside(self, base: Path) -> Self:
        """The same with files relative to a folder."""
        files = ("certificate", "key", "trusted_authentication", "trusted_signature")
        return self.model_copy(update={name: base / getattr(self, name) for name in files})


class Settings(RoleSettings):
    """What the portal is told beside what every role is told.

    `log_key` is the log's verifier key, `witness_keys` those of the witnesses that must have cosigned the checkpoint of
    a proof (`name+hash+base64`, C2SP). `rule_books` are files beside the Act's book that comes with the product.
    `rotation_overlap`: how long both epochs of link codes stay open when the oversight body ordered a rotation.
    `site` is the residents' door; without it the portal has no pages. `mail` and `push`: how residents are woken.
    """

    log_key: str
    witness_keys: tuple[str, ...] = ()
    rule_books: tuple[Path, ...] = ()
    rotation_overlap: timedelta = timedelta(days=1)
    site: SiteSettings | None = None
    mail: MailSettings | None = None
    push: PushSettings | None = None

    @classmethod
    def load(cls, path: Path) -> Self:
        """As every role's settings; rule books and the site's files are beside it too. Raises Problem(file.unreadable)."""
        settings = super().load(path)
        base = path.parent.resolve()
        site = settings.site.beside(base) if settings.site is not None else None
        mail = settings.mail.beside(base) if settings.mail is not None else None
        push = settings.push.beside(base) if settings.push is not None else None
        books = tuple(base / book for book in settings.rule_books)
        return settings.model_copy(update={"rule_books": books, "site": site, "mail": mail, "push": push})
