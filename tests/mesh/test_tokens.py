"""Tokens: who may do what by the claims in them, through the gateway and in the mesh, and who is refused."""

import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from dev.mesh.lab import Mesh
from dev.mesh.traffic import Pod, eventually
from tests.mesh.platforms import Platform, Values, component, standing
from tests.support.tokens import Signer

MeasuredBy = Callable[[str, str], None]

NAME = "tokens"
SPACE = f"{NAME}-serving"
HTTP = {"http": {"port": 8080}}
HOST = ("--header", "Host: models.example.com")
LLAMA: Values = {"request.auth.claims[models]": {"values": ["llama"]}}
UNREACHABLE = "http://127.0.0.1:9/keys"


@pytest.fixture(scope="module")
def signers() -> dict[str, Signer]:
    """Us, a forger in our name, and two who publish their keys, one of them where nobody finds them."""
    names = {"ours": "https://a.example.com", "forger": "https://a.example.com"}
    names |= {"published": "https://b.example.com", "lost": "https://c.example.com"}
    return {name: Signer(issuer) for name, issuer in names.items()}


@contextmanager
def published(jwks: str) -> Iterator[str]:
    """The address on loopback, which istiod reaches, where the keys are."""

    class Keys(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer with the keys."""
            self.send_response(200)
            self.end_headers()
            self.wfile.write(jwks.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Keys)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/keys"
    finally:
        server.shutdown()
        server.server_close()


def values(signers: dict[str, Signer], address: str) -> Values:
    """A gateway that lets users in by the models of their tokens; behind it and in the mesh a registry that does so."""
    keys = {
        "ours": {"jwks": signers["ours"].jwks},
        "published": {"jwksUri": address},
        "lost": {"jwksUri": UNREACHABLE},
    }
    rules = {
        name: {"issuer": signers[name].issuer, "forwardOriginalToken": True, **each} for name, each in keys.items()
    }
    accepts = {
        "users": {"gateways": {"ml-gateway": True}, "components": {"client": True}, "when": LLAMA},
        "batch": {"components": {"batch": True}, "token": False},
    }
    backend = {"port": 8080}
    return {
        "authentication": {
            "users": {
                "enabled": True,
                "gateways": {"ml-gateway": True},
                "components": {"registry": True, "open": True},
                "jwtRules": rules,
            }
        },
        "gateways": {
            "ml-gateway": {
                "accepts": {
                    "llama": {"paths": ["/v1/models/llama/*"], "when": LLAMA},
                    "registry": {"paths": ["/registry/*"]},
                    "preflight": {"methods": ["OPTIONS"], "token": False},
                }
            }
        },
        "routes": {
            "models": {
                "kind": "HTTPRoute",
                "namespace": "serving",
                "gateway": "ml-gateway",
                "hostnames": ["models.example.com"],
                "rules": {
                    "models": {
                        "matches": [{"path": {"type": "PathPrefix", "value": "/v1/models"}}],
                        "backends": {"server": backend},
                    },
                    "registry": {
                        "matches": [{"path": {"type": "PathPrefix", "value": "/registry"}}],
                        "backends": {"registry": backend},
                    },
                },
            }
        },
        "components": {
            "server": component("serving", "server", HTTP),
            "registry": component("serving", "registry", HTTP, accepts=accepts),
            # It reads tokens and has no rules.
            "open": component("serving", "open", HTTP),
            "client": component("frontend", "client"),
            "batch": component("frontend", "batch"),
        },
    }


@pytest.fixture(scope="module")
def platform(
    mesh: Mesh, signers: dict[str, Signer], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Platform, Values]]:
    """The platform as it stands, and its values."""
    with published(signers["published"].jwks) as address, standing(mesh, NAME, tmp_path_factory.mktemp(NAME)) as own:
        asked = values(signers, address)
        own.turn(asked)
        yield own, asked


def tokens(signers: dict[str, Signer]) -> dict[str, tuple[str | None, int]]:
    """By what is sent: the token, and the status that its sender gets where the claim `models` must hold llama."""
    ours = signers["ours"]
    return {
        "the claim": (ours.token(models=["qwen", "llama"]), 200),
        "the claim as text": (ours.token(models="llama"), 200),
        "another claim": (ours.token(models=["qwen"]), 403),
        "no claim": (ours.token(), 403),
        "no token": (None, 403),
        "a bad signature": (signers["forger"].token(models=["llama"]), 401),
        "expired": (ours.token(seconds=-300, models=["llama"]), 401),
        "nobody's": (Signer("https://d.example.com").token(models=["llama"]), 401),
        "no token at all": ("x.y.z", 401),
        "keys that istiod fetched": (signers["published"].token(models=["llama"]), 200),
        "keys that istiod cannot fetch": (signers["lost"].token(models=["llama"]), 401),
    }


def status(caller: Pod, url: str, token: str | None, *flags: str) -> int:
    """What a request with that token gets."""
    header = ("--header", f"Authorization: Bearer {token}") if token else ()
    return caller.call(url, *header, *flags).status


def all_of(caller: Pod, url: str, sent: dict[str, tuple[str | None, int]], *flags: str) -> dict[str, int]:
    """What each gets, once that is what it should get; up to the first that gets something else."""
    seen = {}
    for name, (token, wanted) in sent.items():
        got = 0

        def right(token: str | None = token, wanted: int = wanted) -> bool:
            nonlocal got
            got = status(caller, url, token, *flags)
            return got == wanted

        eventually(right)
        seen[name] = got
        if got != wanted:
            break
    return seen


@pytest.mark.ends_connections
@pytest.mark.proves("authorizationpolicies", "ml-gateway-access", SPACE)
def test_the_gateway_lets_in_by_claim(
    platform: tuple[Platform, Values], signers: dict[str, Signer], outsider: Pod, measured: MeasuredBy
) -> None:
    """Users whose claim has the model may call its paths; other claims and no token get 403, wrong tokens 401."""
    base = f"http://{platform[0].gateway().address}"
    sent = tokens(signers)
    assert all_of(outsider, f"{base}/v1/models/llama/infer", sent, *HOST) == {
        name: got for name, (_, got) in sent.items()
    }
    valid = signers["ours"].token(models=["llama"])
    assert status(outsider, f"{base}/v1/models/qwen/infer", valid, *HOST) == 403
    assert status(outsider, f"{base}/v1/models/llama/infer", None, *HOST, "--method", "OPTIONS") == 200
    measured("tokens: through the gateway", _told(sent))


@pytest.mark.ends_connections
@pytest.mark.proves("authorizationpolicies", "registry-access", SPACE)
def test_a_component_lets_in_by_claim(
    platform: tuple[Platform, Values], signers: dict[str, Signer], stranger: Pod, outsider: Pod, measured: MeasuredBy
) -> None:
    """The same in the mesh, where it takes the caller's identity besides; a rule can do without the token."""
    url, sent = f"http://registry.{SPACE}:8080/x", tokens(signers)
    client, batch = platform[0].pod("frontend", "client"), platform[0].pod("frontend", "batch")
    assert all_of(client, url, sent) == {name: got for name, (_, got) in sent.items()}
    valid = signers["ours"].token(models=["llama"])
    assert status(stranger, url, valid) == 403
    assert status(batch, url, None) == 200
    through = f"http://{platform[0].gateway().address}/registry/x"
    assert status(outsider, through, valid, *HOST) == 200
    # The gateway asks only for a token there, the registry for the claim.
    assert status(outsider, through, signers["ours"].token(models=["qwen"]), *HOST) == 403
    measured("tokens: in the mesh", f"{_told(sent)}; a valid one of a caller whom no rule names 403")


@pytest.mark.ends_connections
@pytest.mark.proves("authorizationpolicies", "open-access", SPACE)
def test_who_reads_tokens_and_has_no_rules_demands_one(
    platform: tuple[Platform, Values], signers: dict[str, Signer], stranger: Pod, measured: MeasuredBy
) -> None:
    """Anybody with a valid token may call it, and nobody without one."""
    url = f"http://open.{SPACE}:8080/x"
    sent: dict[str, tuple[str | None, int]] = {
        "a token": (signers["ours"].token(), 200),
        "no token": (None, 403),
        "expired": (signers["ours"].token(seconds=-300), 401),
    }
    assert all_of(stranger, url, sent) == {name: got for name, (_, got) in sent.items()}
    measured("tokens: a component without rules", _told(sent))


@pytest.mark.ends_connections
def test_in_dry_run_only_wrong_tokens_are_refused(
    platform: tuple[Platform, Values], signers: dict[str, Signer], outsider: Pod, measured: MeasuredBy
) -> None:
    """No AuthorizationPolicy holds there, so a request without a token passes, and one with a bad one does not."""
    own, asked = platform
    url = f"http://{own.gateway().address}/v1/models/llama/infer"
    own.turn(asked, {"authorization": {"mode": "dry-run"}})
    try:
        sent: dict[str, tuple[str | None, int]] = {
            "no token": (None, 200),
            "another claim": (signers["ours"].token(models=["qwen"]), 200),
            "a bad signature": (signers["forger"].token(), 401),
        }
        assert all_of(outsider, url, sent, *HOST) == {name: got for name, (_, got) in sent.items()}
        measured("tokens: authorization in dry-run", _told(sent))
    finally:
        own.turn(asked)


def _told(sent: dict[str, tuple[Any, int]]) -> str:
    return ", ".join(f"{name} {wanted}" for name, (_, wanted) in sent.items())
