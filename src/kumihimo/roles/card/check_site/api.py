"""The card check page's door (動作確認の入口): pages, and the few requests its script makes. Nothing is stored on disk."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import BaseModel, ConfigDict

from kumihimo.domain.kernel import Clock, Problem, RandomSource, SystemClock, SystemRandomness
from kumihimo.domain.web_eid import MAX_TOKEN_BYTES, Challenges, MemoryChallenges, check_site_origin
from kumihimo.plumbing.web import HEADERS
from kumihimo.plumbing.web import STATIC as SHARED
from kumihimo.plumbing.wire.ocsp_client import OcspClient, trusted_issuers
from kumihimo.roles.card.check_site.facts import facts
from kumihimo.roles.card.check_site.service import MAX_TEXT, CheckSite, require_login
from kumihimo.roles.card.check_site.sessions import Session, Sessions
from kumihimo.roles.card.check_site.settings import CheckSiteSettings
from kumihimo.roles.card.check_site.texts import LANGUAGES, said

COOKIE: Final = "__Host-session"
LANGUAGE_COOKIE: Final = "__Host-language"
TOKEN_HEADER: Final = "X-Kumihimo-Token"  # noqa: S105 (a header's name)
_UNCHANGING: Final = ("/shared/", "/static/")
_HERE: Final = Path(__file__).parent
_MAX_BODY: Final = 4 * MAX_TEXT + MAX_TOKEN_BYTES


class _Prepare(BaseModel):
    model_config = ConfigDict(extra="forbid")
    text: str
    certificate: str


class _Finish(BaseModel):
    model_config = ConfigDict(extra="forbid")
    signature: str


def build(settings: CheckSiteSettings, clock: Clock | None = None, randomness: RandomSource | None = None) -> FastAPI:
    """The application. Raises Problem(file.unreadable, value.invalid, login.origin)."""
    clock, randomness = clock or SystemClock(), randomness or SystemRandomness()
    sessions = Sessions(randomness, clock)
    site = CheckSite(
        origin=check_site_origin(settings.origin),
        authentication=trusted_issuers(settings.trusted_authentication),
        signature=trusted_issuers(settings.trusted_signature),
        sessions=sessions,
        challenges=Challenges(MemoryChallenges(), randomness, clock),
        status=OcspClient(randomness, clock, settings.responder),
        clock=clock,
    )
    app = FastAPI(title="card check", docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/shared", StaticFiles(directory=SHARED))
    app.mount("/static", StaticFiles(directory=_HERE / "static"))
    _guard(app)
    _mount_pages(app, site)
    _mount_requests(app, site)
    return app


def _session(request: Request) -> Session:
    """The browser's session; a new one has to be given to it by `_with_cookie`."""
    session: Session = request.state.site.sessions.of(request.cookies.get(COOKIE))
    return session


def _changing(request: Request) -> Session:
    """As `_session`, for a request that changes something: only from a page of ours. Raises Problem(login.origin)."""
    session = _session(request)
    site: CheckSite = request.state.site
    origin = request.headers.get("Origin", site.origin)
    if origin != site.origin or not hmac.compare_digest(
        request.headers.get(TOKEN_HEADER, "").encode(), session.token.encode()
    ):
        raise Problem("login.origin", "not from a page of this session", advice="Load the page again.")
    return session


Now = Annotated[Session, Depends(_session)]
Changing = Annotated[Session, Depends(_changing)]


async def _body(request: Request) -> bytes:
    return await request.body()


Body = Annotated[bytes, Depends(_body)]


def _guard(app: FastAPI) -> None:
    """Headers on every answer, a limit on every body, problems as JSON."""

    @app.middleware("http")
    async def guard(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        length = request.headers.get("Content-Length", "0" if request.method in ("GET", "HEAD") else "")
        if not (length.isdecimal() and int(length) <= _MAX_BODY):
            return JSONResponse(
                {"code": "message.too_large", "title": "A message is too large", "detail": ""}, status_code=413
            )
        answer = await go_on(request)
        answer.headers.update(HEADERS)
        if request.url.path.startswith(_UNCHANGING) and answer.status_code == 200:
            answer.headers["Cache-Control"] = "max-age=600"
        return answer

    @app.exception_handler(Problem)
    async def problem(request: Request, found: Problem) -> Response:
        if found.code == "login.needed" and request.method == "GET":
            return RedirectResponse("/", status_code=303)
        document = {"code": found.code, "title": found.title, "detail": found.detail, "advice": found.advice}
        return JSONResponse(document, status_code=found.status, media_type="application/problem+json")


def _mount_pages(app: FastAPI, site: CheckSite) -> None:
    templates = Environment(
        loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )

    @app.middleware("http")
    async def with_site(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        request.state.site = site
        return await go_on(request)

    def page(request: Request, session: Session, name: str, **values: Any) -> Response:
        asked = request.query_params.get("lang") or request.cookies.get(LANGUAGE_COOKIE)
        language = asked if asked in LANGUAGES else "ja"
        words = LANGUAGES[language]
        values |= {"w": words, "lang": language, "said": said(words), "token": session.token, "who": session.who}
        if session.who is not None and name == "certificate":
            values["facts"] = facts(session.who, words, language)
        html = templates.get_template(f"{name}.html").render(path=request.url.path, origin=site.origin, **values)
        answer = Response(html, media_type="text/html; charset=utf-8")
        answer.set_cookie(LANGUAGE_COOKIE, language, secure=True, httponly=True, samesite="strict")
        return _with_cookie(answer, session)

    @app.get("/")
    def home(request: Request, session: Now) -> Response:
        return page(request, session, "home")

    @app.get("/certificate")
    def certificate(request: Request, session: Now) -> Response:
        require_login(session)
        return page(request, session, "certificate")

    @app.get("/sign")
    def sign(request: Request, session: Now) -> Response:
        require_login(session)
        return page(request, session, "sign", most=MAX_TEXT)

    @app.get("/signed")
    def signed(request: Request, session: Now) -> Response:
        require_login(session)
        if session.signed is None:
            return RedirectResponse("/sign", status_code=303)
        return page(request, session, "signed", document=session.signed.document.decode())

    @app.get("/signed/{name}")
    def download(name: str, session: Now) -> Response:
        require_login(session)
        signed = session.signed
        if signed is None:
            raise Problem("document.unknown", "nothing was signed in this session", name)
        files = {
            "document.txt": ("text/plain; charset=utf-8", signed.document),
            "signature.p7s": ("application/pkcs7-signature", signed.cms),
            "signature-ca.pem": ("application/x-pem-file", site.signature.pem()),
        }
        if name not in files:
            raise Problem("document.unknown", "there is no such file", name, ", ".join(files))
        kind, content = files[name]
        return Response(content, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _mount_requests(app: FastAPI, site: CheckSite) -> None:
    @app.post("/login/challenge")
    def challenge(session: Changing) -> dict[str, str]:
        return {"nonce": site.challenge(session)}

    @app.post("/login")
    def log_in(session: Changing, body: Body) -> Response:
        return _with_cookie(JSONResponse({"next": "/certificate"}), site.log_in(session, body))

    @app.post("/logout")
    def log_out(session: Changing) -> Response:
        site.sessions.end(session)
        answer = JSONResponse({"next": "/"}, headers={"Clear-Site-Data": '"cache", "storage"'})
        answer.delete_cookie(COOKIE, secure=True, httponly=True, samesite="strict")
        return answer

    @app.post("/sign/prepare")
    def prepare(session: Changing, asked: _Prepare) -> dict[str, str]:
        prepared = site.prepare(session, asked.text, asked.certificate).prepared
        assert prepared is not None  # noqa: S101 - it has just been made
        return prepared.to_sign

    @app.post("/sign/finish")
    def finish(session: Changing, asked: _Finish) -> dict[str, str]:
        site.finish(session, asked.signature)
        return {"next": "/signed"}


def _with_cookie(answer: Response, session: Session) -> Response:
    answer.set_cookie(COOKIE, session.id, secure=True, httponly=True, samesite="strict")
    return answer
