"""The residents' site (マイ・ポータルの画面): one HTTPS application, whose pages are in `pages/`, one module a topic.

Nothing is loaded from elsewhere, no page is kept by the browser, and every request that changes something repeats a token that
only pages of this session know.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

import structlog
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from kumihimo.domain.kernel import Clock, Problem, RandomSource
from kumihimo.domain.law import RuleBook
from kumihimo.domain.web_eid import Challenges, MemoryChallenges, StatusOf, TrustedIssuers, check_site_origin
from kumihimo.plumbing.web import HEADERS
from kumihimo.plumbing.web import STATIC as SHARED
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.roles.portal.limits import Limit
from kumihimo.roles.portal.rendering import LANGUAGES, STATIC, rendered, told
from kumihimo.roles.portal.service.applying import Applications
from kumihimo.roles.portal.service.inbox import Inboxes
from kumihimo.roles.portal.service.mandates import Mandates
from kumihimo.roles.portal.service.record_list import RecordList
from kumihimo.roles.portal.service.waking import Waking
from kumihimo.roles.portal.settings import Settings
from kumihimo.roles.portal.store import PortalStore
from kumihimo.roles.portal.visiting import Sessions, Visitor, form_token, is_form_token

COOKIE: Final = "__Host-session"
LANGUAGE_COOKIE: Final = "__Host-language"
TOKEN_FIELD: Final = "token"  # noqa: S105 (a field's name)
TOKEN_HEADER: Final = "X-Kumihimo-Token"  # noqa: S105 (a header's name)
MOST_BYTES: Final = 256 * 1024
_UNCHANGING: Final = ("/shared/", "/static/")
# With "no-referrer" browsers send "Origin: null" with forms, and no form could be told from a forged one.
_HEADERS: Final = HEADERS | {
    "Referrer-Policy": "same-origin",
    "Strict-Transport-Security": "max-age=31536000",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_A_MINUTE, _LOG_INS_A_MINUTE = 600, 30
log = structlog.get_logger()
TOPICS: Final = ("records", "information", "notices", "apply", "controls")  # of the menu, in its order


@dataclass(frozen=True)
class HomeCard:
    """A card of the start page: a few sentences in the visitor's language, and where they lead."""

    title: str
    lines: tuple[str, ...]
    link: str
    link_text: str
    badge: str | None = None


@dataclass
class Site:
    """What pages use. `account_of` gives the account of a certificate's serial number, `secret` the key of link codes by epoch.

    `home_cards` (by topic), `body_limits` (by path prefix, bytes), `menu` (topics with pages) and `at_end` (what to do with the
    id of a session that ends) are filled while pages are mounted.
    """

    store: PortalStore
    edge: Edge
    client: PeerClient
    clock: Clock
    randomness: RandomSource
    settings: Settings
    book: RuleBook
    secret: Callable[[int], bytes]
    records: RecordList
    inboxes: Inboxes
    waking: Waking
    applications: Applications
    origin: str
    authentication: TrustedIssuers
    signature: TrustedIssuers
    status: StatusOf
    account_of: Callable[[str], str]
    home_cards: dict[str, Callable[[Visitor], HomeCard]] = field(default_factory=dict, init=False)
    body_limits: dict[str, int] = field(default_factory=dict, init=False)
    menu: set[str] = field(default_factory=set, init=False)
    at_end: list[Callable[[str], None]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        check_site_origin(self.origin)
        self.sessions = Sessions(self.store, self.randomness, self.clock)
        self.challenges = Challenges(MemoryChallenges(), self.randomness, self.clock)
        self.mandates = Mandates(self.store, self.randomness, self.clock)
        self.log_in_limit = Limit(self.clock, _LOG_INS_A_MINUTE)
        self.limit = Limit(self.clock, _A_MINUTE)

    def cookie(self, request: Request) -> str:
        """The browser's secret; a new one where it has none, which the answer gives to it."""
        found: str = request.state.cookie
        return found

    def language(self, request: Request) -> str:
        """The language of the page."""
        asked = request.query_params.get("lang") or request.cookies.get(LANGUAGE_COOKIE)
        return asked if asked in LANGUAGES else LANGUAGES[0]

    def visitor_or_nobody(self, request: Request) -> Visitor | None:
        """Who has logged in with this browser, if anybody."""
        return self.sessions.visitor(request.cookies.get(COOKIE), self.language(request))

    def visitor(self, request: Request) -> Visitor:
        """Who has logged in. Raises Problem(login.needed, session.too_often)."""
        found = self.visitor_or_nobody(request)
        if found is None:
            raise Problem(
                "login.needed", "nobody has logged in, or it was too long ago", advice="Log in with your card."
            )
        self.limit.take(found.session)
        return found

    async def changing(self, request: Request) -> Visitor:
        """As `visitor`, for a request that changes something. Raises Problem(session.forged, login.needed)."""
        await self.check_form(request)
        return self.visitor(request)

    async def check_form(self, request: Request) -> None:
        """The request comes from a page that this browser was given. Raises Problem(session.forged)."""
        given = request.headers.get(TOKEN_HEADER)
        if given is None and request.headers.get("Content-Type", "").startswith(
            ("application/x-www-form-urlencoded", "multipart/form-data")
        ):
            field_value = (await request.form()).get(TOKEN_FIELD)
            given = field_value if isinstance(field_value, str) else None
        if request.headers.get("Origin") != self.origin or not is_form_token(self.cookie(request), given or ""):
            raise Problem(
                "session.forged", "not from a page of this session", advice="Load the page again; nothing was done."
            )

    def has_code(self, account: str) -> bool:
        """Whether the link code of an account has come."""
        with self.store.reading() as reading:
            return reading.code_of(account) is not None

    def require_scope(self, visitor: Visitor, topic: str) -> None:
        """A topic is used; under a mandate its giver sees it. Raises Problem(mandate.scope) where that does not cover it."""
        if not visitor.may(topic):
            raise Problem("mandate.scope", f"the mandate does not cover {topic}", advice="Go back to your own account.")
        if visitor.mandate is not None:
            self.mandates.used(visitor.mandate, topic)

    def end(self, visitor: Visitor) -> None:
        """Log out: nothing of the session is left, in the store or in memory."""
        self.sessions.end(visitor)
        for forget in self.at_end:
            forget(visitor.session)

    def page(
        self, request: Request, visitor: Visitor | None, template: str, *, status: int = 200, **values: Any
    ) -> HTMLResponse:
        """A page; `topic` among the values marks the menu."""
        language = self.language(request)
        own = {
            "visitor": visitor,
            "token": form_token(self.cookie(request)),
            "path": request.url.path,
            "query": request.url.query,
            "menu": [one for one in TOPICS if one in self.menu and (visitor is None or visitor.may(one))],
            "seconds": 0 if visitor is None else int((visitor.until - self.clock.now()).total_seconds()),
            "topic": None,
        }
        return HTMLResponse(rendered(template, language, own | values), status_code=status)


def _site(request: Request) -> Site:
    found: Site = request.app.state.site
    return found


def _visitor(request: Request) -> Visitor:
    return _coded(_site(request), _site(request).visitor(request))


async def _changing(request: Request) -> Visitor:
    return await _site(request).changing(request)


def _coded(site: Site, visitor: Visitor) -> Visitor:
    """Until the link code has come, an account may still turn out to be another one: nothing is put into it."""
    if not site.has_code(visitor.account):
        raise Problem("account.under_way", "the link code of the account has not come yet", advice="Wait a moment.")
    return visitor


def _changing_coded(request: Request, visitor: Annotated[Visitor, Depends(_changing)]) -> Visitor:
    return _coded(_site(request), visitor)


async def _check_form(request: Request) -> None:
    await _site(request).check_form(request)


Here = Annotated[Visitor, Depends(_visitor)]
"""Who looks at a page."""
Changing = Annotated[Visitor, Depends(_changing_coded)]
"""Who changes something; the request comes from a page of their session."""
FORM_CHECKED: Final = Depends(_check_form)
"""A request that needs no log-in, but a page of ours."""


def build_site(site: Site, mounts: tuple[Callable[[FastAPI, Site], None], ...]) -> FastAPI:
    """The application with the pages of `mounts`."""
    app = FastAPI(title="My Portal", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.site = site
    app.mount("/shared", StaticFiles(directory=SHARED))
    app.mount("/static", StaticFiles(directory=STATIC))
    _guard(app, site)
    _tell_problems(app, site)
    for mount in mounts:
        mount(app, site)
    return app


def _guard(app: FastAPI, site: Site) -> None:
    """Headers on every answer, a limit on every body, and a secret for every browser."""

    @app.middleware("http")
    async def guard(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        known = request.cookies.get(COOKIE, "")
        request.state.cookie = known or site.sessions.cookie()
        answer = _too_large(request, site) or await go_on(request)
        for name, value in _HEADERS.items():
            answer.headers.setdefault(name, value)
        unchanging = request.url.path.startswith(_UNCHANGING)
        if unchanging and answer.status_code == 200:
            answer.headers["Cache-Control"] = "max-age=600"
        elif not known and not unchanging and not gives_cookie(answer):
            give_cookie(answer, request.state.cookie)
        asked = request.query_params.get("lang")
        if asked in LANGUAGES:
            answer.set_cookie(LANGUAGE_COOKIE, asked, secure=True, httponly=True, samesite="lax", path="/")
        return answer


def give_cookie(answer: Response, cookie: str) -> None:
    """The browser keeps this secret until it is closed."""
    answer.set_cookie(COOKIE, cookie, secure=True, httponly=True, samesite="lax", path="/")


def gives_cookie(answer: Response) -> bool:
    """Whether an answer gives or takes the secret by itself."""
    return any(one.startswith(COOKIE + "=") for one in answer.headers.getlist("set-cookie"))


def _too_large(request: Request, site: Site) -> Response | None:
    most = max(
        (size for path, size in site.body_limits.items() if request.url.path.startswith(path)), default=MOST_BYTES
    )
    length = request.headers.get("Content-Length", "0" if request.method in ("GET", "HEAD") else "")
    if length.isdecimal() and int(length) <= most:
        return None
    return _told(request, site, Problem("message.too_large", f"more than {most} bytes", advice="Send less."))


def _tell_problems(app: FastAPI, site: Site) -> None:
    @app.exception_handler(Problem)
    async def problem(request: Request, found: Problem) -> Response:
        if found.code == "login.needed" and request.method in ("GET", "HEAD") and not _wants_json(request):
            return RedirectResponse("/login", status_code=303)
        if found.code == "account.under_way" and request.method in ("GET", "HEAD"):
            return RedirectResponse("/waiting", status_code=303)
        return _told(request, site, found)

    @app.exception_handler(HTTPException)
    async def of_http(request: Request, error: HTTPException) -> Response:
        code = {404: "page.unknown", 405: "page.method"}.get(error.status_code, "message.malformed")
        return _told(request, site, Problem(code, str(error.detail)), error.status_code)

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:
        where = "; ".join(".".join(map(str, fault["loc"])) for fault in error.errors()[:5])
        return _told(request, site, Problem("value.invalid", "an entry cannot be read", where=where))

    @app.exception_handler(Exception)
    async def fault(request: Request, error: Exception) -> Response:
        log.error("internal", kind=type(error).__name__, exc_info=error)
        answer = _told(request, site, Problem("internal", type(error).__name__, advice="Try again in a moment."))
        answer.headers.update(_HEADERS)  # this answer goes past the guard
        return answer


def _wants_json(request: Request) -> bool:
    return "application/json" in request.headers.get("Accept", "") or TOKEN_HEADER in request.headers


def _told(request: Request, site: Site, problem: Problem, status: int | None = None) -> Response:
    """A problem as a page, or as a document where a script asks."""
    answer: Response
    if _wants_json(request):
        document = {"code": problem.code, "title": problem.title, "detail": problem.detail, "advice": problem.advice}
        answer = JSONResponse(document, status_code=status or problem.status, media_type="application/problem+json")
    else:
        visitor = site.visitor_or_nobody(request)
        said = told(site.language(request), problem.code)
        answer = site.page(request, visitor, "error.html", status=status or problem.status, problem=problem, said=said)
    if problem.code == "session.too_often":
        answer.headers["Retry-After"] = "60"
    return answer
