"""The key ceremony (鍵生成式): every authority's key and certificate, made once when the joint body begins.

In a real country people watch it, and the root's key is locked away; here it is one function, and the root's key lies in a
folder of its own that no service is told of.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from kumihimo.domain.jpki import (
    SERIAL_BYTES,
    Algorithm,
    CaName,
    CertificationAuthority,
    Period,
    Places,
    make_issuing,
    make_root,
    root_list,
    serial_from,
)
from kumihimo.domain.kernel import RandomSource
from kumihimo.plumbing.storage import write_public
from kumihimo.roles.jpki.authorities import ISSUING, ROOT_LIST, Authorities, read_certificate
from kumihimo.roles.jpki.keystore import KeyStore, label_of

_PEM: Final = serialization.Encoding.PEM
_ROOT_LIST_LIFE: Final = timedelta(days=397)


@dataclass(frozen=True)
class Ceremony:
    """Where everything goes: certificates and the root's list into `folder`, keys into `keys`, the root's into `root_keys`.

    `algorithm` is that of root and residents' authorities; the one for cards is always P-256.
    """

    folder: Path
    keys: KeyStore
    root_keys: KeyStore
    public_url: str
    algorithm: Algorithm = Algorithm.RSA_2048


def hold_ceremony(ceremony: Ceremony, randomness: RandomSource, now: datetime) -> Authorities:
    """Make root, residents' authorities and card management. Raises Problem(key.exists, jpki.token)."""
    places = Places(ceremony.public_url)

    def serial() -> int:
        return serial_from(randomness.token_bytes(SERIAL_BYTES))

    root = make_root(ceremony.root_keys.make(label_of(CaName.ROOT), ceremony.algorithm), serial(), now)
    issuing: dict[CaName, CertificationAuthority] = {}
    for ca in ISSUING:
        key = ceremony.keys.make(label_of(ca), Algorithm.P_256 if ca is CaName.CARD else ceremony.algorithm)
        issuing[ca] = make_issuing(root, ca, key, serial(), now, places)
    for one in (root, *issuing.values()):
        write_public(ceremony.folder / f"{one.name}.pem", one.certificate.public_bytes(_PEM))
    return Authorities(root.certificate, issuing, _sign_root_list(ceremony.folder, root, 1, now))


def renew_root_list(folder: Path, root_keys: KeyStore, now: datetime) -> x509.CertificateRevocationList:
    """Another list of the root for the next thirteen months, in `folder`; the authority takes it when it starts."""
    root = CertificationAuthority(
        CaName.ROOT, read_certificate(folder, CaName.ROOT), root_keys.open(label_of(CaName.ROOT))
    )
    before = x509.load_pem_x509_crl((folder / ROOT_LIST).read_bytes())
    number = before.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number + 1
    return _sign_root_list(folder, root, number, now)


def _sign_root_list(
    folder: Path, root: CertificationAuthority, number: int, now: datetime
) -> x509.CertificateRevocationList:
    made = root_list(root, number, Period(now, now + _ROOT_LIST_LIFE))
    write_public(folder / ROOT_LIST, made.public_bytes(_PEM))
    return made
