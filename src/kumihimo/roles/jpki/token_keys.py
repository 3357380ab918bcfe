"""Keys in a hardware module (HSM) by PKCS#11 (OASIS, v2.40): they are made in it and never leave it.

Tried with SoftHSM 2, which is software and a stand-in for hardware. The objects here look like `cryptography`'s private keys to
whoever signs; only `sign` and `public_key` do anything.
"""

from __future__ import annotations

import hashlib
import threading
from typing import Any, Final, NoReturn

import pkcs11
import pkcs11.exceptions
import pkcs11.util.ec
import pkcs11.util.rsa
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from kumihimo.domain.jpki import Algorithm, CaKey
from kumihimo.domain.kernel import Problem
from kumihimo.plumbing.storage import read_secret
from kumihimo.roles.jpki.settings import TokenSettings

_CURVES: Final = {Algorithm.P_256: "secp256r1", Algorithm.P_384: "secp384r1"}
_RSA_HASHES: Final = {"sha256": pkcs11.Mechanism.SHA256_RSA_PKCS, "sha384": pkcs11.Mechanism.SHA384_RSA_PKCS}


class TokenKeys:
    """Keys of one token. A PKCS#11 session is for one thread at a time: signing takes turns."""

    def __init__(self, settings: TokenSettings) -> None:
        """Open the module and log in. Raises Problem(jpki.token, key.missing, key.permissions)."""
        self._settings = settings
        self._lock = threading.Lock()
        self._where = f"{settings.label} of {settings.module}"
        self._session = self._opened()
        self._private: dict[str, Any] = {}

    def make(self, label: str, algorithm: Algorithm) -> CaKey:
        """A new key pair in the token; its private half can neither be read nor taken out."""
        with self._lock:
            if self._found(label, pkcs11.ObjectClass.PRIVATE_KEY) is not None:
                raise Problem("key.exists", label, where=self._where, expected="a label without a key")
            private = {pkcs11.Attribute.SENSITIVE: True, pkcs11.Attribute.EXTRACTABLE: False}
            options: dict[str, Any] = {"label": label, "id": label.encode(), "store": True, "private_template": private}
            try:
                if algorithm is Algorithm.RSA_2048:
                    self._session.generate_keypair(pkcs11.KeyType.RSA, 2048, **options)
                else:
                    curve = pkcs11.util.ec.encode_named_curve_parameters(_CURVES[algorithm])
                    parameters = self._session.create_domain_parameters(
                        pkcs11.KeyType.EC, {pkcs11.Attribute.EC_PARAMS: curve}, local=True
                    )
                    parameters.generate_keypair(**options)
            except pkcs11.exceptions.PKCS11Error as error:
                raise self._problem(error) from None
        return self.open(label)

    def open(self, label: str) -> CaKey:
        """Raises Problem(key.missing) where the token has no key of this label."""
        with self._lock:
            private = self._found(label, pkcs11.ObjectClass.PRIVATE_KEY)
            public = self._found(label, pkcs11.ObjectClass.PUBLIC_KEY)
        if private is None or public is None:
            raise Problem("key.missing", label, where=self._where, expected="a key pair of this label")
        self._private[label] = private
        known = _public(public)
        if isinstance(known, rsa.RSAPublicKey):
            return _RsaInToken(self, label, known)
        return _EcInToken(self, label, known)

    def sign(self, label: str, data: bytes, mechanism: pkcs11.Mechanism) -> bytes:
        """A raw signature by the token; a session that broke is opened again, once. Raises Problem(jpki.token)."""
        with self._lock:
            try:
                return self._signed(label, data, mechanism)
            except (pkcs11.exceptions.PKCS11Error, KeyError):
                self._private.clear()
                self._session = self._opened()
            try:
                return self._signed(label, data, mechanism)
            except (pkcs11.exceptions.PKCS11Error, KeyError) as error:
                raise self._problem(error) from None

    def _signed(self, label: str, data: bytes, mechanism: pkcs11.Mechanism) -> bytes:
        """Raises KeyError where the key is not there."""
        if label not in self._private:
            private = self._found(label, pkcs11.ObjectClass.PRIVATE_KEY)
            if private is None:
                raise KeyError(label)
            self._private[label] = private
        made: bytes = self._private[label].sign(data, mechanism=mechanism)
        return made

    def _opened(self) -> Any:
        pin = read_secret(self._settings.pin).decode().strip()
        try:
            token = pkcs11.lib(str(self._settings.module)).get_token(token_label=self._settings.label)
            return _session(token, pin)
        except (pkcs11.exceptions.PKCS11Error, RuntimeError) as error:
            raise self._problem(error) from None

    def _found(self, label: str, kind: pkcs11.ObjectClass) -> Any:
        wanted = {pkcs11.Attribute.LABEL: label, pkcs11.Attribute.CLASS: kind}
        return next(iter(list(self._session.get_objects(wanted))), None)

    def _problem(self, error: Exception) -> Problem:
        return Problem(
            "jpki.token", type(error).__name__, where=self._where, expected="a token of this label and its PIN",
            advice="Look at the module, the token's label, and the file with its PIN.",
        )  # fmt: skip


def _session(token: Any, pin: str) -> Any:
    """A session of a process that is logged in; a token is told the PIN once for all sessions of a process."""
    try:
        return token.open(user_pin=pin, rw=True)
    except pkcs11.exceptions.UserAlreadyLoggedIn:
        return token.open(rw=True)


def _public(key: Any) -> rsa.RSAPublicKey | ec.EllipticCurvePublicKey:
    if key.key_type is pkcs11.KeyType.RSA:
        modulus, exponent = (
            int.from_bytes(key[name]) for name in (pkcs11.Attribute.MODULUS, pkcs11.Attribute.PUBLIC_EXPONENT)
        )
        return rsa.RSAPublicNumbers(exponent, modulus).public_key()
    loaded = serialization.load_der_public_key(pkcs11.util.ec.encode_ec_public_key(key))
    assert isinstance(loaded, ec.EllipticCurvePublicKey)  # noqa: S101 - the key type was looked at
    return loaded


def _stays(what: str) -> NoReturn:
    raise Problem("jpki.token", f"{what} of a key in a token", expected="signing, the only thing it does")


class _RsaInToken(rsa.RSAPrivateKey):
    def __init__(self, keys: TokenKeys, label: str, public: rsa.RSAPublicKey) -> None:
        self._keys = keys
        self._label = label
        self._public = public

    @property
    def key_size(self) -> int:
        return self._public.key_size

    def public_key(self) -> rsa.RSAPublicKey:
        return self._public

    def sign(self, data: Any, padding_: Any, algorithm: Any) -> bytes:
        if not isinstance(padding_, padding.PKCS1v15) or not isinstance(algorithm, hashes.HashAlgorithm):
            _stays("another padding")
        return self._keys.sign(self._label, bytes(data), _RSA_HASHES[algorithm.name])

    def decrypt(self, *_: Any) -> bytes:
        _stays("decryption")

    def private_numbers(self) -> rsa.RSAPrivateNumbers:
        _stays("the number")

    def private_bytes(self, *_: Any) -> bytes:
        _stays("the bytes")

    def __copy__(self) -> _RsaInToken:
        return self

    def __deepcopy__(self, _memo: dict[Any, Any]) -> _RsaInToken:
        return self


class _EcInToken(ec.EllipticCurvePrivateKey):
    def __init__(self, keys: TokenKeys, label: str, public: ec.EllipticCurvePublicKey) -> None:
        self._keys = keys
        self._label = label
        self._public = public

    @property
    def key_size(self) -> int:
        return self._public.key_size

    @property
    def curve(self) -> ec.EllipticCurve:
        return self._public.curve

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._public

    def sign(self, data: Any, signature_algorithm: Any) -> bytes:
        digest = hashlib.new(signature_algorithm.algorithm.name, bytes(data)).digest()
        raw = self._keys.sign(self._label, digest, pkcs11.Mechanism.ECDSA)
        half = len(raw) // 2
        return encode_dss_signature(int.from_bytes(raw[:half]), int.from_bytes(raw[half:]))

    def exchange(self, *_: Any) -> bytes:
        _stays("key agreement")

    def private_numbers(self) -> ec.EllipticCurvePrivateNumbers:
        _stays("the number")

    def private_bytes(self, *_: Any) -> bytes:
        _stays("the bytes")

    def __copy__(self) -> _EcInToken:
        return self

    def __deepcopy__(self, _memo: dict[Any, Any]) -> _EcInToken:
        return self
