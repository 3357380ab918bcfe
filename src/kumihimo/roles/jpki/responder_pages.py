"""The responder's public door (公開窓口): OCSP by POST and GET (RFC 6960 A.1), lists and authorities' certificates (RFC 5280)."""

from __future__ import annotations

import asyncio
import binascii
from typing import Final
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kumihimo.domain.jpki import CaName, Refusal, refuse
from kumihimo.roles.jpki.service.responding import Responding
from kumihimo.roles.jpki.store.responder import DELTA, FULL, ResponderStore

MOST_BYTES: Final = 16_384
BODY_SECONDS: Final = 10.0
_OCSP: Final = "application/ocsp-response"
_CRL: Final = "application/pkix-crl"
_CERTIFICATE: Final = "application/pkix-cert"
# An answer is as of now: a copy kept on the way would hide a revocation.
_FRESH: Final = {"Cache-Control": "no-cache, no-store, max-age=0"}


def public_pages(responding: Responding, store: ResponderStore) -> Starlette:
    """What everybody may ask."""

    async def ocsp_post(request: Request) -> Response:
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _body(request)
        except TimeoutError:
            return Response(status_code=408)
        return await _answered(responding, body)

    async def ocsp_get(request: Request) -> Response:
        return await _answered(responding, _of_path(request))

    async def listed(request: Request) -> Response:
        name, _, kind = request.path_params["name"].partition("-")
        kept = await _in_thread(store, name, kind)
        return _file(kept, _CRL)

    async def authority(request: Request) -> Response:
        ca = _ca(request.path_params["name"])
        der = None if ca is None else await asyncio.to_thread(store.authority, ca)
        return _file(der, _CERTIFICATE)

    return Starlette(
        routes=[
            Route("/ocsp", ocsp_post, methods=["POST"]),
            Route("/ocsp/{request:path}", ocsp_get, methods=["GET"]),
            Route("/crl/{name}.crl", listed, methods=["GET"]),
            Route("/ca/{name}.cer", authority, methods=["GET"]),
        ]
    )


async def _answered(responding: Responding, der: bytes | None) -> Response:
    """A request that is too large or no base64 is malformed as any other."""
    if der is None:
        return Response(refuse(Refusal.MALFORMED), media_type=_OCSP, headers=_FRESH)
    return Response(await asyncio.to_thread(responding.answer, der), media_type=_OCSP, headers=_FRESH)


async def _body(request: Request) -> bytes | None:
    read = b""
    async for part in request.stream():
        read += part
        if len(read) > MOST_BYTES:
            return None
    return read


def _of_path(request: Request) -> bytes | None:
    """The request in the path: base64, URL-encoded, and by some clients encoded twice or not at all."""
    raw: bytes = request.scope.get("raw_path") or request.url.path.encode()
    text = raw.decode("ascii", "replace").partition("?")[0].partition("/ocsp/")[2]
    text = unquote(unquote(text)).replace(" ", "+")
    if len(text) > MOST_BYTES:
        return None
    try:
        return binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
    except ValueError:
        return None


async def _in_thread(store: ResponderStore, name: str, kind: str) -> bytes | None:
    ca = _ca(name)
    if ca is None or kind not in ("", DELTA):
        return None
    return await asyncio.to_thread(store.crl, ca, kind or FULL)


def _ca(name: str) -> CaName | None:
    return CaName(name) if name in list(CaName) else None


def _file(der: bytes | None, media_type: str) -> Response:
    return Response(status_code=404) if der is None else Response(der, media_type=media_type)
