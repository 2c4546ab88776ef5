"""A stand-in that speaks OpenID Connect as Google does: discovery, keys, a page to pick a person,
and a token endpoint that checks PKCE and the client's secret. It refuses to start in production.
"""

import hashlib
import hmac
import html
from base64 import b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from shared.clock import Clock
from sync_server.kit.services import Randomness
from sync_server.sandboxes.openid_tokens import (
    TOKEN_SECONDS,
    Forgery,
    Signer,
    SigningKey,
    write_id_token,
)
from sync_server.settings import SettingFault, Settings, UnsafeSettingsError

CLIENT_ID: Final = "zeraket.apps.sandbox.example"
CLIENT_SECRET: Final = "sandbox-secret"  # noqa: S105 - good at this sandbox only, and it says so
CODE_MS: Final = 300_000
_TOKEN_BYTES: Final = 24
_KEYS_PUBLISHED: Final = 2
_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Sandbox: choose an account</title>
<link rel="icon" href="data:,">
<h1>Choose an account</h1>
<p>This is a sandbox of Google's sign-in. Nobody here is real.</p>
<form method="post">{buttons}<button name="subject" value="">Nobody: deny</button></form>
"""
_BUTTON: Final = '<p><button name="subject" value="{subject}">{name} &lt;{address}&gt;</button>\n'


@dataclass(frozen=True, slots=True)
class SandboxPerson:
    """Somebody with an account at the provider."""

    subject: str
    address: str
    name: str
    hosted_domain: str | None = None
    is_verified: bool = True


PEOPLE: Final = (
    SandboxPerson("100000000000000000001", "grace.akello@gmail.com", "Grace Akello"),
    SandboxPerson("100000000000000000002", "moses@nile.example", "Moses Okot", "nile.example"),
    SandboxPerson("100000000000000000003", "amina@post.example", "Amina Hassan"),
    SandboxPerson("100000000000000000004", "eric@post.example", "Eric Mugisha", is_verified=False),
)


@dataclass(frozen=True, slots=True)
class _Grant:
    """What a code stands for."""

    person: SandboxPerson
    asked: Mapping[str, str]
    expires_at_ms: int


@dataclass(slots=True)
class OpenidSandbox:
    """The provider's state. `forgery` turns it hostile; `asked` counts what it was asked for."""

    clock: Clock
    randomness: Randomness
    redirect_uris: frozenset[str]
    people: tuple[SandboxPerson, ...] = PEOPLE
    make_key: Callable[[], SigningKey] = lambda: RSAKey.generate_key(auto_kid=True)
    forgery: Forgery | None = None
    asked: Counter[str] = field(default_factory=Counter)
    _keys: list[SigningKey] = field(default_factory=list)
    _codes: dict[str, _Grant] = field(default_factory=dict)
    _unpublished: SigningKey | None = None

    def rotate_keys(self) -> None:
        """Sign with a new key from now on; of the older ones the newest stays published."""
        self._keys = [self.make_key(), *self._keys][:_KEYS_PUBLISHED]

    @property
    def published(self) -> list[SigningKey]:
        if not self._keys:
            self.rotate_keys()
        return self._keys

    def signer(self) -> Signer:
        if self._unpublished is None:
            self._unpublished = self.make_key()
        return Signer(self.published[0], self._unpublished)

    def new_token(self) -> str:
        return urlsafe_b64encode(self.randomness(_TOKEN_BYTES)).decode()

    def add_person(self, person: SandboxPerson) -> None:
        self.people = (*self.people, person)

    def find_person(self, subject: str) -> SandboxPerson | None:
        return next((one for one in self.people if one.subject == subject), None)

    def make_code(self, person: SandboxPerson, asked: Mapping[str, str]) -> str:
        code = self.new_token()
        self._codes[code] = _Grant(person, asked, self.clock.now_ms() + CODE_MS)
        return code

    def take_code(self, code: str) -> _Grant | None:
        """A code is good once, unless the provider was told to forget that."""
        replays = self.forgery is Forgery.REPLAYED_CODE
        grant = self._codes.get(code) if replays else self._codes.pop(code, None)
        return grant if grant and self.clock.now_ms() < grant.expires_at_ms else None


def create_sandbox_app(settings: Settings, sandbox: OpenidSandbox) -> Starlette:
    """Build the provider's application; raises UnsafeSettingsError in production."""
    if settings.is_production:
        remedy = "a sandbox lets anybody be anybody; it starts in development only"
        raise UnsafeSettingsError((SettingFault("ZERAKET_ENVIRONMENT", remedy),))
    app = Starlette(
        routes=[
            Route("/.well-known/openid-configuration", _show_document),
            Route("/keys", _show_keys),
            Route("/authorize", _show_people),
            Route("/authorize", _choose_person, methods=["POST"]),
            Route("/token", _issue_tokens, methods=["POST"]),
        ]
    )
    app.state.sandbox = sandbox
    return app


def _sandbox(request: Request) -> OpenidSandbox:
    sandbox: OpenidSandbox = request.app.state.sandbox
    sandbox.asked[request.url.path] += 1
    return sandbox


def _issuer(request: Request) -> str:
    return str(request.base_url).rstrip("/")


async def _show_document(request: Request) -> Response:
    _sandbox(request)
    issuer = _issuer(request)
    return JSONResponse(
        {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "jwks_uri": f"{issuer}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }
    )


async def _show_keys(request: Request) -> Response:
    sandbox = _sandbox(request)
    keys = [key.as_dict(private=False, use="sig") for key in sandbox.published]
    return JSONResponse({"keys": keys})


def _fault_of(sandbox: OpenidSandbox, asked: Mapping[str, str]) -> str | None:
    """What is told to the person and never sent to an address that is not registered (RFC 6749
    §4.1.2.1).
    """
    rules = (
        (asked.get("client_id") == CLIENT_ID, "unknown client_id"),
        (asked.get("redirect_uri") in sandbox.redirect_uris, "redirect_uri is not registered"),
        (asked.get("response_type") == "code", "response_type must be code"),
        ("openid" in asked.get("scope", "").split(), "scope must hold openid"),
        (asked.get("code_challenge_method") == "S256", "code_challenge_method must be S256"),
        (bool(asked.get("code_challenge")), "code_challenge is missing"),
        (bool(asked.get("state")) and bool(asked.get("nonce")), "state or nonce is missing"),
    )
    return next((fault for is_kept, fault in rules if not is_kept), None)


async def _show_people(request: Request) -> Response:
    sandbox = _sandbox(request)
    fault = _fault_of(sandbox, request.query_params)
    if fault is not None:
        return HTMLResponse(f"<h1>400</h1><p>{fault}", status_code=400)
    buttons = "".join(
        _BUTTON.format(subject=one.subject, name=html.escape(one.name), address=one.address)
        for one in sandbox.people
    )
    return HTMLResponse(_PAGE.format(buttons=buttons))


async def _choose_person(request: Request) -> Response:
    """Send the browser back with a code, or with the news that it was denied (RFC 6749 §4.1.2)."""
    sandbox, asked = _sandbox(request), dict(request.query_params)
    fault = _fault_of(sandbox, asked)
    if fault is not None:
        return HTMLResponse(f"<h1>400</h1><p>{fault}", status_code=400)
    form = await _form(request)
    person = sandbox.find_person(form.get("subject", ""))
    answer = {"state": asked["state"]}
    answer |= {"error": "access_denied"} if person is None else {}
    answer |= {} if person is None else {"code": sandbox.make_code(person, asked)}
    answer |= _response_issuer(sandbox, _issuer(request))
    return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(answer)}", status_code=303)


def _response_issuer(sandbox: OpenidSandbox, issuer: str) -> dict[str, str]:
    """RFC 9207 §2."""
    if sandbox.forgery is Forgery.NO_RESPONSE_ISSUER:
        return {}
    wrong = sandbox.forgery is Forgery.WRONG_RESPONSE_ISSUER
    return {"iss": f"{issuer}.example.com" if wrong else issuer}


async def _issue_tokens(request: Request) -> Response:
    """Trade a code for tokens (RFC 6749 §4.1.3)."""
    sandbox, form = _sandbox(request), await _form(request)
    if not _is_client(request, form):
        return _refused("invalid_client", 401)
    if form.get("grant_type") != "authorization_code":
        return _refused("unsupported_grant_type")
    grant = sandbox.take_code(form.get("code", ""))
    if grant is None or not _belongs(form, grant, sandbox.forgery):
        return _refused("invalid_grant")
    access_token = sandbox.new_token()
    claims = _claims(sandbox, grant, _issuer(request))
    id_token = write_id_token(claims, access_token, sandbox.signer(), sandbox.forgery)
    answer = {
        "access_token": access_token,
        "id_token": id_token,
        "token_type": "Bearer",
        "expires_in": TOKEN_SECONDS,
        "scope": grant.asked["scope"],
    }
    return JSONResponse(answer, headers={"Cache-Control": "no-store"})


def _is_client(request: Request, form: Mapping[str, str]) -> bool:
    """The secret comes in the body or as Basic (RFC 6749 §2.3.1)."""
    given = f"{form.get('client_id')}:{form.get('client_secret')}"
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        given = b64decode(credentials).decode()
    return hmac.compare_digest(given.encode(), f"{CLIENT_ID}:{CLIENT_SECRET}".encode())


def _belongs(form: Mapping[str, str], grant: _Grant, forgery: Forgery | None) -> bool:
    """The redirect address again, and the verifier of the challenge (RFC 7636 §4.6)."""
    digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
    challenge = urlsafe_b64encode(digest).decode().rstrip("=")
    is_answered = challenge == grant.asked["code_challenge"]
    is_sent_back = form.get("redirect_uri") == grant.asked["redirect_uri"]
    return is_sent_back and (is_answered or forgery is Forgery.NO_CHALLENGE)


def _claims(sandbox: OpenidSandbox, grant: _Grant, issuer: str) -> dict[str, Any]:
    """What Google's ID tokens hold for the scopes openid, email and profile."""
    person, now = grant.person, sandbox.clock.now_ms() // 1_000
    hosted = {} if person.hosted_domain is None else {"hd": person.hosted_domain}
    return {
        "iss": issuer,
        "azp": CLIENT_ID,
        "aud": CLIENT_ID,
        "sub": person.subject,
        "email": person.address,
        "email_verified": person.is_verified,
        "nonce": grant.asked["nonce"],
        "name": person.name,
        "iat": now,
        "exp": now + TOKEN_SECONDS,
        **hosted,
    }


async def _form(request: Request) -> dict[str, str]:
    return dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))


def _refused(error: str, status: int = 400) -> Response:
    return JSONResponse({"error": error}, status_code=status)
