"""What the values can do to the mesh resources besides their defaults."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.chart.charts import Render, find, key, kinds

FULL = ("-f", "tests/chart/full.yaml")


def test_revision_takes_the_place_of_injection(render: Render) -> None:
    """A namespace with a revision has istio.io/rev and no istio-injection, which would win over it."""
    labels = find(render(*FULL), "Namespace", "ml-serving", "")["metadata"]["labels"]
    assert labels["istio.io/rev"] == "canary"
    assert "istio-injection" not in labels


def test_namespaces_are_created_by_explicit_value(render: Render) -> None:
    """create: false leaves a namespace to others; injection: disabled is written, not left out."""
    objects = render(*FULL, "--set", "namespaces.training.create=false")
    assert {document["metadata"]["name"] for document in kinds(objects, "Namespace")} == {"ml-serving", "ml-data"}
    assert find(objects, "Namespace", "ml-data", "")["metadata"]["labels"]["istio-injection"] == "disabled"


@pytest.mark.parametrize(
    ("switch", "gone"),
    [
        ("gateways.ml-gateway.enabled=false,routes.inference-route.enabled=false", {"Gateway", "HTTPRoute"}),
        ("routes.inference-route.enabled=false", {"HTTPRoute"}),
        ("mtls.ml-mtls.enabled=false", {"PeerAuthentication"}),
        ("components.inference-service.accepts.models.enabled=false", {"AuthorizationPolicy"}),
        ("telemetry.ml-telemetry.enabled=false", {"Telemetry"}),
        ("models.inference-service.circuitBreaker.enabled=false", {"DestinationRule"}),
        ("models.inference-service.enabled=false,llm.llm-service.enabled=false", {"DestinationRule", "VirtualService"}),
    ],
)
def test_an_item_is_switched_off(render_once: Render, switch: str, gone: set[str]) -> None:
    """enabled: false removes an item's resources and no others."""
    every = {document["kind"] for document in render_once()}
    assert {document["kind"] for document in render_once("--set", switch)} == every - gone


def test_an_item_is_removed_by_null(render: Render) -> None:
    """null for an item removes it, as everywhere in Helm."""
    assert kinds(render("--set", "mtls.ml-mtls=null"), "PeerAuthentication") == []


def test_strict_in_training_is_one_value(render: Render) -> None:
    """mtls.ml-mtls.namespaces.training=true adds the same rule to ml-training."""
    objects = render("--set", "mtls.ml-mtls.namespaces.training=true")
    assert find(objects, "PeerAuthentication", "ml-mtls", "ml-training")["spec"] == {"mtls": {"mode": "STRICT"}}


def test_every_host_that_requests_are_sent_to_has_the_breaker(render: Render) -> None:
    """A third version gets the same rule; one behind the model's own host has the model's."""
    objects = render(
        "--set",
        "models.inference-service.versions.v3.host=inference-v3,models.inference-service.versions.v3.port=80,"
        "models.inference-service.versions.v1.host=inference-service",
    )
    rules = {rule["metadata"]["name"]: rule["spec"] for rule in kinds(objects, "DestinationRule")}
    assert {name: spec["host"] for name, spec in rules.items()} == {
        "inference-destination": "inference-service",
        "inference-destination-v2": "inference-v2",
        "inference-destination-v3": "inference-v3",
    }
    assert len({str(spec["trafficPolicy"]) for spec in rules.values()}) == 1


def test_longest_prefix_comes_first(render: Render) -> None:
    """A prefix of another prefix comes after it, whatever their names, and the rule for the rest is the last."""
    route = find(
        render(
            "--set",
            "llm.llm-service.endpoints.a.prefix=/v1/chat,llm.llm-service.endpoints.b.prefix=/v1/chat/completions/batch",
        ),
        "VirtualService",
        "llm-timeouts",
    )
    assert [rule["name"] for rule in route["spec"]["http"]] == ["b", "chat", "embeddings", "a", "rest"]


def test_rules_of_ones_own_pass_through(render: Render) -> None:
    """Timeouts, headers and ports that the user writes are in the rules."""
    objects = render(*FULL)
    chat, generate, *_, rest = find(objects, "VirtualService", "llm-timeouts")["spec"]["http"]
    assert (chat["name"], chat["timeout"]) == ("chat", "300s")
    assert rest["route"] == [{"destination": {"host": "llm-service", "port": {"number": 8000}}}]
    split = find(objects, "VirtualService", "inference-routing")["spec"]["http"][1]
    assert (split["name"], split["timeout"]) == ("split", "60s")
    rule = find(objects, "HTTPRoute", "inference-route")["spec"]["rules"][0]
    assert rule["timeouts"] == {"request": "60s"}
    assert "timeout" not in generate


def test_stall_guard(render: Render) -> None:
    """Off by default; switched on, an EnvoyFilter in each client namespace for the routes of the endpoints named."""
    assert kinds(render(), "EnvoyFilter") == []
    on = "llm.llm-service.stallGuard.enabled=true,llm.llm-service.stallGuard.endpoints.embeddings=true"
    objects = render("--set", f"{on},llm.llm-service.stallGuard.namespaces.frontend=true")
    assert {key(document)[1:] for document in kinds(objects, "EnvoyFilter")} == {
        ("ml-serving", "llm-service-stall-guard"),
        ("ml-frontend", "llm-service-stall-guard"),
    }
    one = render("--set", f"{on},llm.llm-service.stallGuard.endpoints.chat=false")
    (guarded,) = find(one, "EnvoyFilter", "llm-service-stall-guard")["spec"]["configPatches"]
    assert guarded["match"]["routeConfiguration"]["vhost"]["route"] == {"name": "embeddings"}
    assert render("--set", "llm.llm-service.enabled=false," + on) == render("--set", "llm.llm-service.enabled=false")
    full = find(render(*FULL), "EnvoyFilter", "llm-service-stall-guard", "ml-frontend")
    route = {"vhost": {"domainName": "llm-service.ml-serving.svc.cluster.example", "route": {"name": "generate"}}}
    assert [patch for patch in full["spec"]["configPatches"] if patch["match"]["routeConfiguration"] == route] == [
        {
            "applyTo": "HTTP_ROUTE",
            "match": {"context": "SIDECAR_OUTBOUND", "routeConfiguration": route},
            "patch": {"operation": "MERGE", "value": {"route": {"retry_policy": {"per_try_idle_timeout": "45s"}}}},
        }
    ]


def test_stall_guard_of_a_gateway(render: Render) -> None:
    """A route's stall guard is an EnvoyFilter for its Gateway, by the places of the rules that it guards."""
    first = f"routes.inference-route.rules.first={json.dumps(RULE)}"
    objects = render(*FULL, "--set-json", f"{first},gateways.ml-gateway.podLabels=null")
    guard = find(objects, "EnvoyFilter", "inference-route-stall-guard")
    assert guard["metadata"]["namespace"] == "ml-serving"
    assert [ref["name"] for ref in guard["spec"]["targetRefs"]] == ["ml-gateway"]
    (patch,) = guard["spec"]["configPatches"]
    rules = find(objects, "HTTPRoute", "inference-route")["spec"]["rules"]
    place = [rule["matches"][0]["path"]["value"] for rule in rules].index("/v1/models")
    assert place == 1
    assert patch["match"] == {
        "context": "GATEWAY",
        "routeConfiguration": {"vhost": {"route": {"name": f"ml-serving.inference-route.{place}"}}},
    }
    assert patch["patch"]["value"] == {"route": {"retry_policy": {"per_try_idle_timeout": "50s"}}}


RULE = {
    "matches": [{"path": {"type": "PathPrefix", "value": "/first"}}],
    "backends": {"kserve-predictor": {"port": 8080}},
}


@pytest.mark.parametrize("idle", ["1m", "500ms", "0s", "30", "1.5s"])
def test_stall_guard_takes_whole_seconds(refusal: Callable[..., str], idle: str) -> None:
    """An idle time that Envoy would not read, or that means none, is refused."""
    for place in ("llm.llm-service", "routes.inference-route"):
        assert "idle" in refusal("--set-string", f"{place}.stallGuard.idle={idle}")


def test_grpc_route(render: Render) -> None:
    """A route of kind GRPCRoute attaches to its listener as the HTTPRoute of the same requests, which has timeouts."""
    objects = render(*FULL)
    route = find(objects, "HTTPRoute", "grpc-route")
    assert route["spec"]["parentRefs"] == [{"name": "ml-gateway", "sectionName": "grpc"}]
    rule = route["spec"]["rules"][0]
    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/inference.GRPCInferenceService"}}]
    assert kinds(objects, "GRPCRoute") == []


@pytest.mark.parametrize(
    ("method", "form", "path"),
    [
        ({"service": "a.B", "method": "C"}, "Exact", "/a.B/C"),
        ({"service": "a.B"}, "PathPrefix", "/a.B"),
        ({"method": "C"}, "RegularExpression", "/[^/]+/C"),
        ({"type": "RegularExpression", "service": "a.*"}, "RegularExpression", "/(a.*)/([^/]+)"),
        ({"type": "RegularExpression", "method": "C|D"}, "RegularExpression", "/([^/]+)/(C|D)"),
        ({}, "PathPrefix", "/"),
    ],
)
def test_a_grpc_method_is_a_path(render: Render, method: dict[str, str], form: str, path: str) -> None:
    """Each form of a GRPCRoute's match becomes the path that its requests have, headers beside it."""
    headers = [{"name": "x-tier", "value": "gold"}]
    for match in ({"method": method}, {"method": method, "headers": headers}):
        value = f"routes.grpc-route.rules.infer.matches={json.dumps([match])}"
        (found,) = find(render(*FULL, "--set-json", value), "HTTPRoute", "grpc-route")["spec"]["rules"][0]["matches"]
        if method or "headers" not in match:
            assert found.pop("path") == {"type": form, "value": path}
        assert found == {key: match[key] for key in match if key == "headers"}


def test_callers_in_the_mesh_have_the_block_of_a_grpc_route(render: Render) -> None:
    """Its backend has a VirtualService with a rule for each match, the most specific first, for its port alone."""
    method = [{"method": {"service": "a.B"}}, {"method": {"type": "RegularExpression", "service": "a.*"}}]
    exact = {"method": {"service": "a.B", "method": "C"}, "headers": [{"name": "X-Tier", "value": "gold"}]}
    matches = f"routes.grpc-route.rules.infer.matches={json.dumps([*method, exact])}"
    every = f"routes.grpc-route.rules.all={json.dumps({'backends': {'kserve-predictor': {'port': 9001}}})}"
    route = find(render(*FULL, "--set-json", matches, "--set-json", every), "VirtualService", "kserve-predictor-grpc")
    assert route["metadata"]["namespace"] == "ml-serving"
    assert route["spec"]["hosts"] == ["kserve-predictor"]
    found = [(rule["name"], rule.get("match"), rule["route"][0]["destination"]) for rule in route["spec"]["http"]]
    infer = {"host": "kserve-predictor", "port": {"number": 9000}}
    gold = {"x-tier": {"exact": "gold"}}
    assert found == [
        ("infer", [{"port": 9000, "uri": {"exact": "/a.B/C"}, "headers": gold}], infer),
        ("infer", [{"port": 9000, "uri": {"prefix": "/a.B/"}}], infer),
        ("infer", [{"port": 9000, "uri": {"regex": "/(a.*)/([^/]+)"}}], infer),
        ("all", [{"port": 9001}], {"host": "kserve-predictor", "port": {"number": 9001}}),
        ("rest", None, {"host": "kserve-predictor"}),
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"routes": {"grpc-route": {"timeouts": False}}},
        {"routes": {"grpc-route": {"enabled": False}}},
        {"llm": {"kserve-predictor": {"namespace": "serving", "route": {"name": "own"}, "endpoints": {}}}},
    ],
)
def test_no_second_route_for_callers_in_the_mesh(render: Render, tmp_path: Path, change: dict[str, Any]) -> None:
    """None without timeouts, and none for a host that is routed already."""
    file = tmp_path / "change.yaml"
    file.write_text(json.dumps(change))
    names = [found["metadata"]["name"] for found in kinds(render(*FULL, "-f", str(file)), "VirtualService")]
    assert "kserve-predictor-grpc" not in names
    assert len(names) > 1


def test_a_grpc_route_without_timeouts_is_itself(render: Render, refusal: Callable[..., str]) -> None:
    """`timeouts: false` renders the GRPCRoute; an HTTPRoute has no such value."""
    route = find(render(*FULL, "--set", "routes.grpc-route.timeouts=false"), "GRPCRoute", "grpc-route")
    assert route["spec"]["rules"][0]["matches"] == [{"method": {"service": "inference.GRPCInferenceService"}}]
    assert "timeouts" in refusal("--set", "routes.inference-route.timeouts=true")


def test_route_in_another_namespace_names_its_gateways(render: Render) -> None:
    """The parent's namespace is written where it is not the route's own."""
    objects = render(
        "--set",
        "routes.inference-route.namespace=training,"
        "gateways.ml-gateway.listeners.http.allowedRoutes.namespaces.from=All",
    )
    route = find(objects, "HTTPRoute", "inference-route", "ml-training")
    assert route["spec"]["parentRefs"] == [{"name": "ml-gateway", "namespace": "ml-serving"}]


def test_gateways_own_metadata_do_not_reach_its_pods(render: Render) -> None:
    """infrastructure has both maps, else istiod copies the chart's version and Helm's ownership to what it deploys."""
    gateway = find(render(), "Gateway", "ml-gateway")
    assert gateway["spec"]["infrastructure"] == {
        "annotations": {},
        "labels": {"app.kubernetes.io/name": "ml-gateway", "app.kubernetes.io/part-of": "ml-mesh"},
    }
    own = find(render(*FULL), "Gateway", "ml-gateway")
    assert own["spec"]["infrastructure"]["labels"]["team"] == "platform"
    settings = "connectionSettings:\n  listenerPerConnectionBufferLimitBytes: 8388608"
    assert own["spec"]["infrastructure"]["annotations"] == {
        "example.com/scheme": "internal",
        "proxy.istio.io/config": settings,
    }
    assert own["metadata"]["annotations"] == {
        "example.com/owner": "platform",
        "gateway.istio.io/service-account": "gateway-sa",
    }


def test_gateway_without_a_named_account(render: Render) -> None:
    """Without a name there is no annotation, and istiod takes its own."""
    gateway = find(render("--set", "gateways.ml-gateway.serviceAccount="), "Gateway", "ml-gateway")
    assert "annotations" not in gateway["metadata"]


def test_every_object_carries_the_usual_labels(render: Render) -> None:
    """Kubernetes' recommended labels and Helm's are on each object, also with every option set."""
    for document in [*render(), *render(*FULL)]:
        labels = document["metadata"]["labels"]
        assert {
            "helm.sh/chart",
            "app.kubernetes.io/name",
            "app.kubernetes.io/instance",
            "app.kubernetes.io/version",
            "app.kubernetes.io/managed-by",
            "app.kubernetes.io/part-of",
        } <= set(labels), key(document)
