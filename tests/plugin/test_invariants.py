"""Each invariant on a bad release, on the good twin beside it, and on what only looks bad."""

from typing import Any

import pytest
import yaml

from tests.support.streams import codes, pod, policy, rendered


def virtual_service(*http: dict[str, Any], hosts: tuple[str, ...] = ("svc",), **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "vs", "namespace": "ml"},
        "spec": {"hosts": list(hosts), "http": list(http), **spec},
    }


def to(host: str, **more: Any) -> dict[str, Any]:
    return {"route": [{"destination": {"host": host, **more}}]}


def rule(host: str, name: str = "dr", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": name, "namespace": "ml"},
        "spec": {"host": host, **spec},
    }


POLICY: dict[str, Any] = {"trafficPolicy": {"outlierDetection": {"consecutive5xxErrors": 5}}}
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ml"}}
SERVICE = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "svc", "namespace": "ml"}, "spec": {}}


def access(principal: str, field: str = "principals") -> dict[str, Any]:
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": "ap", "namespace": "ml"},
        "spec": {"rules": [{"from": [{"source": {field: [principal]}}]}]},
    }


def gateway(protocol: str = "HTTP", name: str = "istio", **annotations: str) -> dict[str, Any]:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "gw", "namespace": "ml", "annotations": annotations},
        "spec": {"gatewayClassName": name, "listeners": [{"name": "l", "port": 80, "protocol": protocol}]},
    }


CODES = ("MLM101", "MLM201", "MLM202", "MLM203", "MLM401", "MLM502", "MLM503", "MLM513", "MLM701")


def found(*items: dict[str, Any], settings: str = "", code: str = "") -> list[tuple[str, str]]:
    """What the rules of this file say, or one of them."""
    result = rendered("---\n".join(yaml.safe_dump(item) for item in items), *([settings] if settings else []))
    return [entry for entry in codes(result) if entry[0] in ((code,) if code else CODES)]


ERROR_101 = [("MLM101", "error")]


def test_101_a_rule_for_a_host_that_all_routes_leave() -> None:
    """The reference design as written: its circuit breaker names the called host, and Envoy reads the other two."""
    split = virtual_service({"route": [{"destination": {"host": "v1"}}, {"destination": {"host": "v2"}}]})
    assert found(NAMESPACE, split, rule("svc", **POLICY)) == ERROR_101
    assert found(SERVICE, split, rule("svc", **POLICY)) == ERROR_101
    assert found(split, rule("svc", **POLICY)) == [("MLM101", "warning")]
    guarded = (rule("v1", "a", **POLICY), rule("v2.ml.svc.cluster.local", "b", **POLICY))
    assert found(NAMESPACE, split, rule("svc", **POLICY), *guarded) == [("MLM101", "info")]
    assert found(NAMESPACE, split, rule("svc", **POLICY), guarded[0]) == ERROR_101


@pytest.mark.parametrize(
    "items",
    [
        (virtual_service(to("svc")), rule("svc", **POLICY)),
        (virtual_service(to("svc.ml.svc.cluster.local")), rule("svc", **POLICY)),
        (virtual_service(to("v1"), to("svc")), rule("svc", **POLICY)),
        (virtual_service(to("v1")), rule("svc")),
        (rule("svc", **POLICY),),
        (virtual_service(to("v1"), hosts=("other",)), rule("svc", **POLICY)),
        (virtual_service(to("v1"), gateways=["gw"]), rule("svc", **POLICY)),
        (virtual_service({**to("v1"), "mirror": {"host": "svc"}}), rule("svc", **POLICY)),
        (virtual_service(to("v1")), rule("*.example.com", **POLICY)),
    ],
)
def test_101_is_silent_where_traffic_reaches_the_host(items: tuple[dict[str, Any], ...]) -> None:
    """A route, a mirror or no route at all sends to the host; a gateway's routes do not bind the mesh."""
    assert found(NAMESPACE, *items) == []


def test_101_knows_the_routes_of_gateway_api() -> None:
    """An HTTPRoute to the Service uses the rule, whatever a VirtualService does."""
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "r", "namespace": "ml"},
        "spec": {"rules": [{"backendRefs": [{"name": "svc", "port": 80}]}]},
    }
    assert found(NAMESPACE, virtual_service(to("v1")), rule("svc", **POLICY), route) == []


def test_101_a_subset_with_a_policy_of_its_own_guards_its_traffic() -> None:
    """Subsets of the destination count by the subset that the route names."""
    subsets = {"subsets": [{"name": "a", "labels": {"v": "a"}, **POLICY}, {"name": "b", "labels": {"v": "b"}}]}
    for subset, expected in (("a", "info"), ("b", "error")):
        items = (virtual_service(to("v1", subset=subset)), rule("svc", **POLICY), rule("v1", "d", **subsets))
        assert found(NAMESPACE, *items) == [("MLM101", expected)]


@pytest.mark.parametrize(
    ("timeout", "each", "expected"),
    [
        ("30s", "30s", [("MLM201", "error")]),
        ("30s", "1m", [("MLM201", "error")]),
        ("30s", "10s", []),
        ("30s", "11s", [("MLM202", "warning")]),
        (None, "60s", []),
        ("30s", None, []),
        ("nonsense", "10s", []),
    ],
)
def test_201_and_202_reckon_the_tries(timeout: str | None, each: str | None, expected: list[tuple[str, str]]) -> None:
    """Three tries of 10s fit into 30s, of 11s they do not, and of 30s there is only one."""
    retries = {"attempts": 2, **({"perTryTimeout": each} if each else {})}
    own = {**to("svc"), "retries": retries, **({"timeout": timeout} if timeout else {})}
    assert found(virtual_service(own)) == expected


@pytest.mark.parametrize(
    ("timeout", "each", "fitting"), [("1h", "30m", "1200s"), ("2000s", "700s", "666666ms"), ("20ms", "9ms", "6ms")]
)
def test_202_names_a_try_of_which_all_fit(timeout: str, each: str, fitting: str) -> None:
    """In a unit that a VirtualService takes, and never rounded up."""
    own = {**to("svc"), "timeout": timeout, "retries": {"attempts": 2, "perTryTimeout": each}}
    findings = rendered(yaml.safe_dump(virtual_service(own))).findings
    (finding,) = (each for each in findings if each.code == "MLM202")
    assert f"a perTryTimeout of at most {fitting};" in finding.remedy


def test_202_is_silent_without_retries() -> None:
    """`attempts: 0` is one try, which cannot exceed the timeout."""
    own = {**to("svc"), "timeout": "30s", "retries": {"attempts": 0, "perTryTimeout": "20s"}}
    assert found(virtual_service(own)) == []


@pytest.mark.parametrize(
    ("path", "conditions", "expected"),
    [
        ("/v1/chat/completions", "5xx,reset", [("MLM203", "warning")]),
        ("/v1/chat/completions", "gateway-error", [("MLM203", "warning")]),
        ("/v1/chat/completions", "connect-failure,refused-stream,reset-before-request", []),
        ("/v1/chat/completions", None, []),
        ("/v1/embeddings", "5xx", []),
        ("/unknown", "5xx", []),
    ],
)
def test_203_needs_a_generation_and_a_condition_that_repeats_it(
    path: str, conditions: str | None, expected: list[tuple[str, str]]
) -> None:
    """Embeddings are computed again cheaply, an unknown path is not judged, safe conditions repeat nothing begun."""
    retries = {"attempts": 2, **({"retryOn": conditions} if conditions else {})}
    own = {**to("svc"), "match": [{"uri": {"prefix": path}}], "timeout": "600s", "retries": retries}
    assert found(virtual_service(own)) == expected


FRONTEND = "cluster.local/ns/ml/sa/frontend"


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ((NAMESPACE, access(FRONTEND)), "error"),
        ((access(FRONTEND),), "warning"),
        ((NAMESPACE, access("cluster.local/ns/other/sa/x")), "warning"),
        ((NAMESPACE, access("ml/frontend", "serviceAccounts")), "error"),
        ((NAMESPACE, access("frontend", "serviceAccounts")), "error"),
        ((NAMESPACE, access("cluster.local/ns/ml/sa/gateway-sa"), gateway()), "error"),
    ],
)
def test_401_an_identity_that_nothing_has(items: tuple[dict[str, Any], ...], expected: str) -> None:
    """An error in a namespace that the stream answers for, a warning elsewhere: the workload may be there."""
    assert found(*items) == [("MLM401", expected)]


@pytest.mark.parametrize(
    "items",
    [
        (
            access(FRONTEND),
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "frontend", "namespace": "ml"}},
        ),
        (access("cluster.local/ns/ml/sa/gw-istio"), gateway()),
        (
            access("cluster.local/ns/ml/sa/gateway-sa"),
            gateway(**{"gateway.istio.io/service-account": "gateway-sa"}),
        ),
        (access("cluster.local/ns/ml/sa/gw"), gateway("HBONE", "istio-waypoint")),
        (access("cluster.local/ns/ml/sa/*"),),
        (access("*"),),
        (access("other.domain/ns/ml/sa/x"),),
        (access("cluster.local/ns/ml/sa/default"), yaml.safe_load(pod(role="training"))),
    ],
)
def test_401_is_silent_for_what_somebody_has(items: tuple[dict[str, Any], ...]) -> None:
    """ServiceAccounts, pods, gateways by class or annotation; wildcards and foreign trust domains are not judged."""
    assert found(NAMESPACE, *items, code="MLM401") == []


def test_401_believes_the_policy_s_external_principals() -> None:
    """What the policy declares exists, by name or by prefix; `owns` makes a namespace the release's."""
    for entry in (FRONTEND, "cluster.local/ns/ml/*"):
        assert found(NAMESPACE, access(FRONTEND), settings=policy(external={"principals": [entry]})) == []
    assert found(access(FRONTEND), settings=policy(owns=["ml"])) == [("MLM401", "error")]


@pytest.mark.parametrize(
    "key", ["sidecar.istio.io/proxyCPU", "proxy.istio.io/config", "traffic.sidecar.istio.io/excludeInboundPorts"]
)
@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"])
def test_502_a_sidecar_s_setting_on_the_workload_s_own_metadata(kind: str, key: str) -> None:
    """Istio's injector reads the pod: on the Deployment the annotation is dead."""
    item = yaml.safe_load(pod(kind, role="training"))
    item["metadata"]["annotations"] = {key: "1"}
    assert found(item) == [("MLM502", "error")]


def test_502_is_silent_on_pods_and_where_the_template_has_the_key_too() -> None:
    """On a Pod it is in its place; a copy above a template that has its own value changes nothing."""
    item = yaml.safe_load(pod("Pod"))
    item["metadata"]["annotations"] = {"sidecar.istio.io/proxyCPU": "1"}
    assert found(item) == []
    item = yaml.safe_load(pod(**{"sidecar.istio.io/proxyCPU": "1"}))
    item["metadata"]["annotations"] = {"sidecar.istio.io/proxyCPU": "1"}
    assert found(item) == []


@pytest.mark.parametrize(
    ("protocol", "name", "expected"),
    [
        ("GRPC", "istio", 1),
        ("http", "istio", 1),
        ("UDP", "istio", 1),
        ("HBONE", "istio", 1),
        ("HTTP", "istio", 0),
        ("HTTPS", "istio", 0),
        ("TLS", "istio", 0),
        ("TCP", "istio", 0),
        ("HBONE", "istio-waypoint", 0),
        ("UDP", "other", 0),
        ("example.com/bar", "other", 0),
        ("GRPC", "other", 1),
    ],
)
def test_701_a_protocol_that_the_controller_does_not_serve(protocol: str, name: str, expected: int) -> None:
    """Istio serves four protocols, HBONE on waypoints; another controller may have its own, with a domain in front."""
    assert found(gateway(protocol, name)) == [("MLM701", "error")] * expected


def test_severities_and_allowances() -> None:
    """A policy lowers or silences a rule; an annotation takes one finding away if it gives a reason."""
    assert found(gateway("GRPC"), settings=policy(invariants={"severity": {"MLM701": "warning"}})) == [
        ("MLM701", "warning")
    ]
    assert found(gateway("GRPC"), settings=policy(invariants={"severity": {"MLM701": "off"}})) == []
    assert found(gateway("GRPC", **{"allow.mlmesh.dev/MLM701": "tested by hand"})) == []
    assert found(gateway("GRPC", **{"allow.mlmesh.dev/MLM701": " "})) == [("MLM701", "error")]


def test_a_finding_says_where_it_is_and_keeps_its_fingerprint() -> None:
    """Document and line are the input's; the fingerprint does not move with them."""
    text = yaml.safe_dump(gateway("GRPC"))
    (first,) = rendered(text).findings
    (second,) = rendered("# a comment\n---\n" + yaml.safe_dump(NAMESPACE) + "---\n\n\n" + text).findings
    assert (first.document, second.document) == (0, 1)
    assert text.splitlines()[first.line - 1].strip() == "protocol: GRPC"
    assert second.line > first.line
    assert first.fingerprint == second.fingerprint
    assert first.pointer == "/spec/listeners/0/protocol"
