"""Hosts outside the mesh: what proxies let out, what they refuse, and TLS that they originate."""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dev.mesh.lab import Mesh
from dev.mesh.traffic import Pod, Response, eventually
from tests.mesh.beside import beside
from tests.mesh.egress import CLOSED, FORGED, OPEN, UNLISTED, Outside, values

MeasuredBy = Callable[[str, str], None]
Ask = Callable[..., Response]

# What it rests on: the Sidecar's refusal, put back to what a mesh does by default.
OPENED = pytest.mark.proves(
    "sidecars.networking.istio.io", "default", CLOSED, part="/spec/outboundTrafficPolicy/mode", put="ALLOW_ANY"
)


@pytest.fixture(scope="module")
def outside(mesh: Mesh) -> Iterator[Outside]:
    """The servers outside."""
    yield Outside(mesh)
    mesh.cluster.kubectl("delete", "pod", "hub", "partner", "--namespace", "outside", "--wait=false")


@pytest.fixture(scope="module", autouse=True)
def platform(mesh: Mesh, outside: Outside) -> Iterator[None]:
    """The platform of `values`, beside the release."""
    with beside(mesh, values(outside), "egress", *_credentials(outside)):
        yield


@pytest.fixture
def ask(mesh: Mesh, outside: Outside) -> Ask:
    """`ask(url)`: from the component that may call what it lists; `who` is another pod."""

    def send(url: str, *flags: str, who: Pod | None = None, timeout: float = 10) -> Response:
        trust = ("--ca", outside.ca) if url.startswith("https:") else ()
        pod = who or mesh.pod(CLOSED, app="model-registry")
        return pod.call(url, *trust, *flags, timeout=timeout)

    return send


def _credentials(outside: Outside) -> list[dict[str, Any]]:
    """The authority as a ConfigMap, a client's certificate as a Secret, and the leave to read it that istiod wants."""

    def read(name: str) -> str:
        return (Path(outside.folder) / name).read_text()

    rbac = "rbac.authorization.k8s.io"
    secret = {"tls.crt": read("cert.pem"), "tls.key": read("key.pem"), "ca.crt": read("ca.pem")}
    encoded = {name: base64.b64encode(text.encode()).decode() for name, text in secret.items()}
    role = {"apiGroup": rbac, "kind": "Role", "name": "secrets"}
    account = {"kind": "ServiceAccount", "name": "model-registry", "namespace": CLOSED}
    named: list[tuple[str, str, str, dict[str, Any]]] = [
        ("v1", "ConfigMap", "authority", {"data": {"ca.crt": read("ca.pem")}}),
        ("v1", "Secret", "partner", {"data": encoded}),
        (
            f"{rbac}/v1",
            "Role",
            "secrets",
            {"rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}]},
        ),
        (f"{rbac}/v1", "RoleBinding", "secrets", {"roleRef": role, "subjects": [account]}),
    ]
    return [
        {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": CLOSED}, **rest}
        for version, kind, name, rest in named
    ]


@OPENED
def test_what_is_not_listed_is_refused(ask: Ask, measured: MeasuredBy) -> None:
    """Under REGISTRY_ONLY a host that nobody listed gets 502 in plain HTTP, by TLS a reset; listed ones answer."""
    assert eventually(lambda: ask("http://plain.example.com/").status == 200)
    assert eventually(lambda: ask("https://hub.example.com/").status == 200)
    assert ask(f"http://{UNLISTED}/").status == 502
    closed = ask(f"https://{UNLISTED}/")
    assert (closed.status, "reset" in closed.error) == (0, True), closed
    # Of a listed host only the port that is listed.
    assert ask("http://hub.example.com/").status == 502
    measured("egress: REGISTRY_ONLY", "listed hosts 200; another one 502, and by TLS a reset")


def test_elsewhere_all_is_let_out(mesh: Mesh, ask: Ask, measured: MeasuredBy) -> None:
    """In a namespace for which nothing is said all hosts answer, but to the one component that has REGISTRY_ONLY."""
    free, alone = mesh.pod(OPEN, app="training-jobs"), mesh.pod(OPEN, app="alone")
    assert ask(f"http://{UNLISTED}/", who=free).status == 200
    assert ask(f"https://{UNLISTED}/", who=free).status == 200
    assert eventually(lambda: ask("https://hub.example.com/", who=alone).status == 200)
    assert ask(f"https://{UNLISTED}/", who=alone).status == 0
    measured("egress: REGISTRY_ONLY of one component", "its neighbour reaches every host, itself those that it lists")


@OPENED
def test_a_wildcard_lets_out_by_the_name_in_tls(outside: Outside, ask: Ask, measured: MeasuredBy) -> None:
    """Names of every depth below it answer, in TLS alone. Without an address of its own SNI is all that it goes by."""
    for name in ("a.store.example.com", "a.b.store.example.com", "a.dynamic.example.com"):
        assert eventually(lambda name=name: ask(f"https://{name}/").status == 200), name  # type: ignore[misc]
        assert ask(f"http://{name}/").status == 502
    # The name of a listed host leads where the client goes; where the proxy looks it up, it leads to its own address.
    elsewhere = f"https://{outside.partner.address}/"
    asked = ask(elsewhere, "--header", "Host: a.store.example.com")
    assert asked.status == 0, asked
    assert "certificate required" in asked.error
    looked_up = ask(elsewhere, "--header", "Host: a.dynamic.example.com")
    assert looked_up.json["name"] == "hub"
    measured(
        "egress: wildcards", "200 by SNI at every depth; NONE goes to the client's address, DYNAMIC_DNS to the name's"
    )


@pytest.mark.proves("destinationrules.networking.istio.io", "api.example.com", CLOSED)
def test_the_sidecar_speaks_tls(ask: Ask, measured: MeasuredBy) -> None:
    """Plain HTTP of the application arrives at port 443 as TLS: trust by file, by ConfigMap, and under a wildcard."""
    for name in ("api.example.com", "map.example.com", "a.wrapped.example.com"):
        answer = eventually(lambda name=name: (got := ask(f"http://{name}/")).status == 200 and got)  # type: ignore[misc]
        assert answer, name
        assert (answer.json["name"], answer.json["headers"]["host"]) == ("hub", name)
    measured("egress: TLS by the sidecar", "200 for plain HTTP; a certificate for another name 503")


def test_a_certificate_for_another_name_is_refused(mesh: Mesh, ask: Ask) -> None:
    """A server whose certificate is not for the host gets nothing: 503, and the proxy's log says why."""
    caller = mesh.pod(CLOSED, app="model-registry")
    assert eventually(lambda: ask(f"http://{FORGED}/").status == 503)
    assert eventually(
        lambda: any(FORGED in line and "CERTIFICATE_VERIFY_FAILED" in line for line in caller.proxy_log())
    )


@pytest.mark.proves("destinationrules.networking.istio.io", "secret.example.com-model-registry", CLOSED)
def test_the_sidecar_shows_a_certificate(ask: Ask, measured: MeasuredBy) -> None:
    """A server that asks for the caller's certificate answers: from files, and from a Secret that may be listed."""
    for name in ("partner.example.com", "secret.example.com"):
        answer = eventually(lambda name=name: (got := ask(f"http://{name}/")).status == 200 and got)  # type: ignore[misc]
        assert answer, name
        assert answer.json["name"] == "partner"
    measured("egress: mutual TLS with a partner", "200 with the certificate of a file, and of a Secret")


@pytest.mark.proves("virtualservices.networking.istio.io", "api", CLOSED, part="/spec/http/0/retries")
def test_derived_timeouts_hold_for_a_provider(outside: Outside, ask: Ask, measured: MeasuredBy) -> None:
    """A provider's chat gets the policy's block: a try that hangs ends after its second, and 503 is tried again."""
    url = "http://api.example.com/v1/chat/completions"
    assert eventually(lambda: ask(url, "--body", "{}").status == 200)
    slow = ask(url, "--body", "{}", "--header", "x-do: delay=8")
    assert (slow.status, 0.9 < slow.seconds < 2) == (504, True), slow
    outside.hub.forget()
    ask(url, "--body", "{}", "--header", "x-do: status=503")
    assert len(outside.hub.requests()) == 2
    measured("egress: derived timeouts of a provider", f"504 after {slow.seconds:.1f} s; 503 tried twice")


@pytest.mark.proves("destinationrules.networking.istio.io", "limits.example.com", CLOSED)
def test_a_breaker_holds_for_a_host_outside(ask: Ask, measured: MeasuredBy) -> None:
    """After three answers of 500 the host is ejected: requests end at the sidecar."""
    url = "http://limits.example.com/"
    assert eventually(lambda: ask(url).status == 200)

    def ejected() -> bool:
        answer = ask(url, "--header", "x-do: status=500")
        return answer.status == 503 and "no healthy upstream" in answer.body

    assert eventually(ejected)
    measured("egress: a breaker", "503 from the sidecar after three times 500")
