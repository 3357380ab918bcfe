"""The card check page of a country (動作確認): whom it trusts, and whom it asks how certificates stand."""

from __future__ import annotations

from kumihimo.country import topology
from kumihimo.country.layout import Country
from kumihimo.domain.jpki import CaName
from kumihimo.roles.card.check_site import CheckSiteSettings

FOLDER = "check-page"


def check_page(country: Country, port: int) -> CheckSiteSettings:
    """Settings of the page: it trusts the country's authorities and asks the responder that certificates name."""
    authorities = country.keys(topology.JPKI) / "ca"
    return CheckSiteSettings(
        folder=country.folder / FOLDER,
        trusted_authentication=authorities / f"{CaName.AUTHENTICATION}.pem",
        trusted_signature=authorities / f"{CaName.SIGNATURE}.pem",
        port=port,
    )
