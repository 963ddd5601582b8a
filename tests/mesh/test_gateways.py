"""Gateways beside the design's: HTTPS with a certificate elsewhere, TLS passed on, one that exists, large bodies."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dev.mesh.lab import Mesh
from dev.mesh.traffic import Pod, Response, eventually
from tests.mesh.beside import beside
from tests.mesh.gateways import BUFFER, DOMAIN, EDGE, INGRESS, KEYS, MODELS, certificates, first, values

MeasuredBy = Callable[[str, str], None]
Ask = Callable[..., Response]

GATEWAY = "gateways.gateway.networking.k8s.io"
GRANT = "referencegrants.gateway.networking.k8s.io"
# Has the gateway repeat what was answered with 503, as a retry of an HTTPRoute would, whose field is experimental.
REPEATED = f"""
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {{name: repeated, namespace: {EDGE}}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: front}}]
  configPatches:
    - applyTo: HTTP_ROUTE
      match: {{context: GATEWAY, routeConfiguration: {{vhost: {{route: {{name: {MODELS}.foreign.0}}}}}}}}
      patch: {{operation: MERGE, value: {{route: {{retry_policy: {{retry_on: 5xx, num_retries: 1}}}}}}}}
"""


@pytest.fixture(scope="module")
def folder(mesh: Mesh) -> Path:
    """Where the certificates are."""
    return certificates(mesh)


@pytest.fixture(scope="module", autouse=True)
def platform(mesh: Mesh, folder: Path) -> Iterator[None]:
    """The platform of `values`, beside the release."""
    with beside(mesh, values(folder), EDGE, *first(folder)):
        yield


@pytest.fixture
def ask(mesh: Mesh, folder: Path, outsider: Pod) -> Ask:
    """`ask(url_of_port, name)`: from outside the mesh, at a gateway, for a name of the domain."""

    def send(scheme: str, name: str, *flags: str, port: int = 0, at: tuple[str, str] = (EDGE, "front")) -> Response:
        pod = mesh.pod(at[0], **{"gateway.networking.k8s.io/gateway-name": at[1]})
        trust = ("--ca", str(folder / "ca.pem")) if scheme == "https" else ()
        place = f"{scheme}://{pod.address}{f':{port}' if port else ''}/"
        return outsider.call(place, *trust, "--header", f"Host: {name}.{DOMAIN}", *flags)

    return send


def _serves(ask: Ask, server: str, *arguments: str, **more: object) -> bool:
    answer = ask(*arguments, **more)
    return answer.status == 200 and answer.json["name"].startswith(f"{server}-")


@pytest.mark.proves(GRANT, "front-certificates", KEYS)
def test_a_certificate_of_another_namespace_serves(ask: Ask, measured: MeasuredBy) -> None:
    """HTTPS is answered with the certificate of a Secret elsewhere, which the derived grant lets the gateway read."""
    assert eventually(lambda: _serves(ask, "server", "https", "secure"))
    measured("gateways: HTTPS with a Secret of another namespace", "200 by the derived ReferenceGrant")


@pytest.mark.proves(GRANT, "secure-backends", MODELS)
def test_a_backend_of_another_namespace_answers(ask: Ask, measured: MeasuredBy) -> None:
    """A route's Service elsewhere gets its requests, by the grant that its namespace has."""
    assert eventually(lambda: _serves(ask, "server", "https", "secure"))
    measured("gateways: a backend of another namespace", "200 by the derived ReferenceGrant")


@pytest.mark.proves(GATEWAY, "front", EDGE, part="/spec/listeners/0/allowedRoutes")
def test_a_route_of_another_namespace_attaches(ask: Ask, measured: MeasuredBy) -> None:
    """The listener takes a route of another namespace of the values, since the chart says so in allowedRoutes."""
    assert eventually(lambda: _serves(ask, "server", "http", "foreign"))
    measured("gateways: a route of another namespace", "200 by the derived allowedRoutes")


@pytest.mark.proves("tlsroutes.gateway.networking.k8s.io", "passed", EDGE)
def test_tls_is_passed_on(ask: Ask, measured: MeasuredBy) -> None:
    """What a TLSRoute names is answered by the server's own TLS, for that name alone."""
    assert eventually(lambda: _serves(ask, "passed", "https", "passed", port=8443))
    assert ask("https", "secure", port=8443).status == 0
    measured("gateways: TLS passed on", "200 from the server's own TLS; another name is closed")


@pytest.mark.proves("httproutes", "adopted", EDGE)
def test_a_gateway_that_exists_serves(ask: Ask, measured: MeasuredBy) -> None:
    """Routes attach to a gateway that the release did not make, and it alone is let in to the server behind it."""
    existing = (INGRESS, "existing")
    assert eventually(lambda: _serves(ask, "guarded", "http", "adopted", at=existing))
    assert eventually(lambda: ask("http", "refused").status == 403)
    measured("gateways: an adopted one", "200 through it; 403 through another one, whom the rule does not name")


@pytest.mark.proves(GATEWAY, "front", EDGE, part="/spec/infrastructure/annotations")
def test_a_large_body_is_kept_for_another_try(mesh: Mesh, ask: Ask, measured: MeasuredBy) -> None:
    """A body beyond Envoy's megabyte, within what connectionSettings keeps, is sent again after 503; none above."""
    server = mesh.pod(MODELS, app="server")
    mesh.apply(REPEATED)
    seen = {}
    try:
        assert eventually(lambda: _serves(ask, "server", "http", "foreign"))
        for size in (BUFFER // 2, BUFFER * 2):
            server.forget()
            server.behave("status=503;")
            seen[size] = ask("http", "foreign", "--body-bytes", str(size)).status
        server.forget()
    finally:
        mesh.cluster.kubectl("delete", "envoyfilter", "repeated", "--namespace", EDGE)
    assert seen == {BUFFER // 2: 200, BUFFER * 2: 503}
    measured("gateways: connectionSettings", "of a body of 2 MiB a second try 200; of 8 MiB there is none")
