"""The starred rules about mutual TLS, and about who may call what."""

import pytest

from dev.mesh.lab import Mesh
from dev.mesh.traffic import Pod
from tests.mesh.starred import Case, of_kind, told

TOPIC = "access"


@pytest.fixture
def registry(mesh: Mesh) -> Pod:
    """The registry."""
    return mesh.pod("rules-access", app="registry")


@pytest.mark.starred("MLM302")
def test_a_scrape_in_plain_text_is_refused_under_strict(case: Case, outsider: Pod, registry: Pod) -> None:
    """A client without a sidecar asks, as the ServiceMonitor says, each pod: bad, closed; good, the metrics."""
    (endpoint,) = of_kind(case.code, case.side, "ServiceMonitor")["spec"]["endpoints"]
    ports = {each["name"]: each["port"] for each in of_kind(case.code, case.side, "Service")["spec"]["ports"]}
    address = f"http://{registry.address}:{ports[endpoint['port']]}{endpoint['path']}"

    def look() -> str:
        metrics = "vllm:num_requests_waiting" in outsider.call(address, timeout=3).body
        return f"{told(outsider, address)}, {'metrics' if metrics else 'no metrics'}"

    case.shows(look, bad="5 of 5: connection closed, no metrics", good="5 of 5: 200, metrics")


@pytest.mark.starred("MLM303")
def test_peers_that_meet_by_address_are_refused_under_strict(case: Case, mesh: Mesh) -> None:
    """One node of a StatefulSet calls the other one's address at 29500: bad, closed; good, port excluded, 200."""

    def look() -> str:
        first, second = mesh.pods("rules-access", app="nodes")
        return told(first, f"http://{second.address}:29500/")

    case.shows(look, bad="5 of 5: connection closed", good="5 of 5: 200")


@pytest.mark.starred("MLM307")
def test_a_rule_about_paths_at_a_tcp_port_lets_nobody_in(case: Case, frontend: Pod) -> None:
    """GET /api/jobs/, which the policy lets in: bad, the connection is closed; good, 200, and another path is a 403."""

    def look() -> str:
        head = "http://head.rules-access:8265"
        return f"allowed path {told(frontend, f'{head}/api/jobs/1')}; another {told(frontend, f'{head}/api/version')}"

    case.shows(
        look,
        bad="allowed path 5 of 5: connection closed; another 5 of 5: connection closed",
        good="allowed path 5 of 5: 200; another 5 of 5: 403",
    )


@pytest.mark.starred("MLM401")
def test_an_identity_that_nobody_has_lets_nobody_in(case: Case, mesh: Mesh) -> None:
    """The caller runs as head-sa, and the policy names, bad, `ray-head`: 403. Good, it names head-sa: 200."""
    caller = mesh.pod("rules-access", app="head")
    case.shows(lambda: told(caller, "http://named.rules-access:8080/"), bad="5 of 5: 403", good="5 of 5: 200")


@pytest.mark.starred("MLM404")
def test_a_registry_whose_writes_name_no_caller_takes_a_strangers(case: Case, mesh: Mesh, stranger: Pod) -> None:
    """Somebody whom no policy names posts to the registry: bad, 200. Good: 403, and the one that is named may."""
    publisher = mesh.pod("rules-access", app="head")

    def look() -> str:
        post = ("http://registry.rules-access:5000/api/2.0/mlflow/model-versions/create", "--body", "{}")
        return f"POST by a stranger {told(stranger, *post)}; by the publisher {told(publisher, *post)}"

    case.shows(
        look,
        bad="POST by a stranger 5 of 5: 200; by the publisher 5 of 5: 200",
        good="POST by a stranger 5 of 5: 403; by the publisher 5 of 5: 200",
    )


@pytest.mark.starred("MLM803")
def test_what_a_sidecar_leaves_out_is_called_without_identity(case: Case, mesh: Mesh) -> None:
    """A caller that the policy lets in: bad, its plain text is refused. Good, the namespace is in egress: 200."""
    caller = mesh.pod("rules-callers", app="web")
    case.shows(
        lambda: told(caller, "http://scoped.rules-access:8080/"), bad="5 of 5: connection closed", good="5 of 5: 200"
    )
