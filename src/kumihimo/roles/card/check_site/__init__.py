"""The card check page (動作確認): a small site of its own where a resident sees whether card, reader and browser work together.

It is a relying party as any: it believes a card through `domain/web_eid`, with the status from the JPKI responder, and
keeps nothing.
"""

from kumihimo.roles.card.check_site.api import build
from kumihimo.roles.card.check_site.running import run_check_site
from kumihimo.roles.card.check_site.settings import CheckSiteSettings

__all__ = ["CheckSiteSettings", "build", "run_check_site"]
