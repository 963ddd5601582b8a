"""The schema takes every option and refuses whatever it does not know, at every level."""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import jsonschema
import pytest
import yaml

from dev.toolchain import ROOT
from tests.chart.charts import Render

# Blocks of Istio, Gateway API or Kubernetes that pass through; the schema names only the fields which the chart reads.
PASSED_THROUGH = {"istioRule", "gatewayRule", "servicePort", "listener", "backend"}
PASSED_THROUGH |= {"jwtRule", "clientTLS", "outsidePolicy", "podTemplate", "workloadSpec", "trafficPolicy"}
PASSED_THROUGH |= {"infrastructure"}
# Written by an umbrella chart, whatever it holds.
FOREIGN = {"global"}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """The chart's schema."""
    loaded: dict[str, Any] = json.loads((ROOT / "chart" / "values.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(loaded)
    return loaded


def _valid(schema: dict[str, Any], values: Any) -> bool:
    return jsonschema.Draft202012Validator(schema).is_valid(values)


def _objects(node: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        # An item of a map may be null; so may blocks of others, inside of what passes through.
        kinds = ["object", ["object", "null"]] if path.count("/") == 2 else ["object"]
        if "properties" in node and node.get("type") in kinds:
            yield path, node
        for key, below in node.items():
            yield from _objects(below, f"{path}/{key}")
    elif isinstance(node, list):
        for index, below in enumerate(node):
            yield from _objects(below, f"{path}/{index}")


def test_every_object_of_ours_is_closed(schema: dict[str, Any]) -> None:
    """An object whose fields the schema lists has no others, unless it passes through."""
    open_ones = {path for path, node in _objects(schema, "") if node.get("additionalProperties") is not False}
    assert {path.partition("/properties")[0] for path in open_ones} == {f"/$defs/{name}" for name in PASSED_THROUGH}


def _maps(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(node, dict):
        yield path
        for key, below in node.items():
            yield from _maps(below, (*path, key))


def _with(values: dict[str, Any], path: tuple[str, ...], key: str, value: Any) -> dict[str, Any]:
    copy = deepcopy(values)
    place = copy
    for part in path:
        place = place[part]
    place[key] = value
    return copy


def test_unknown_key_is_refused_at_every_level(schema: dict[str, Any], full_values: dict[str, Any]) -> None:
    """A key that is not ours is refused in each map of the full values but those that pass through or hold labels."""
    assert _valid(schema, full_values)
    taken = {
        ".".join(path)
        for path in _maps(full_values)
        # A string is no item of any map; a key with a blank is no name.
        if _valid(schema, _with(full_values, path, "not known", "x"))
    }
    foreign: tuple[str, ...] = ("workload.spec", "infrastructure", "trafficPolicy", "annotations", "labels", "selector")
    foreign += ("rule", "split", "pinned", "listeners.http", "listeners.grpc", "ports.http", "ports.grpc")
    foreign += ("backends.kserve-predictor", "jwtRules.login", "jwtRules.programs", "tls", "affinity", "podLabels")
    foreign += ("backends.sharded", "backends.triton", "listeners.https", "connectionSettings")
    foreign += (
        "backends.llm-pool",
        "resources",
        "template",
        "config",
        "rewrites.names.rules",
    )
    assert {path for path in taken if not any(f".{part}." in f".{path}." for part in foreign)} == set()


@pytest.mark.parametrize(
    "path",
    [
        "unknown",
        "postRenderer.unknown",
        "namespaces.serving.unknown",
        "components.inference-service.unknown",
        "components.inference-service.workload.unknown",
        "models.inference-service.unknown",
        "models.inference-service.versions.v1.unknown",
        "models.inference-service.circuitBreaker.unknown",
        "models.inference-service.canary.unknown",
        "llm.llm-service.endpoints.chat.unknown",
        "gateways.ml-gateway.unknown",
        "routes.inference-route.rules.models.unknown",
        "mtls.ml-mtls.unknown",
        "components.inference-service.accepts.models.unknown",
        "callers.frontend.unknown",
        "authorization.unknown",
        "authentication.users.unknown",
        "gateways.ml-gateway.accepts.llama.unknown",
        "telemetry.ml-telemetry.unknown",
        "components.inference-service.calls.packs.huggingface.unknown",
        "egress.unknown",
        "policy.mesh.unknown",
        "policy.sidecars.unknown.proxyCPU",
        "policy.endpoints.types.chat.unknown",
    ],
)
def test_helm_refuses_an_unknown_key(refusal: Callable[..., str], path: str) -> None:
    """Each Helm names the key that it refuses."""
    assert "unknown" in refusal("--set-string", f"{path}=x")


@pytest.mark.parametrize("overlay", sorted(path.name for path in (ROOT / "values").glob("*.yaml")))
def test_overlays_fit_the_schema(
    schema: dict[str, Any], values: dict[str, Any], overlay: str, lay_over: Callable[[Any, Any], Any]
) -> None:
    """Each overlay over the default values is valid."""
    assert _valid(schema, lay_over(values, yaml.safe_load((ROOT / "values" / overlay).read_text())))


def test_full_values_use_every_option(schema: dict[str, Any], full_values: dict[str, Any]) -> None:
    """No option of the schema is missing in full.yaml, so tests that use it see all of them."""
    seen: set[str] = set()

    def walk(node: dict[str, Any], value: Any) -> None:
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rpartition("/")[2]]
        for choice in node.get("anyOf", []):
            if jsonschema.Draft202012Validator({**choice, "$defs": schema["$defs"]}).is_valid(value):
                walk(choice, value)
        for each in value if isinstance(value, list) else ():
            walk(node.get("items", {}), each)
        if not isinstance(value, dict):
            return
        for key, below in value.items():
            known = node.get("properties", {}).get(key)
            if isinstance(known, dict):
                seen.add(f"{id(node)} {key}")
                walk(known, below)
                continue
            for items in (node.get("additionalProperties"), *node.get("patternProperties", {}).values()):
                if isinstance(items, dict):
                    walk(items, below)

    walk(schema, full_values)
    unseen = {
        f"{path}/{key}"
        for path, node in _objects(schema, "")
        for key, below in node["properties"].items()
        if below is not False and f"{id(node)} {key}" not in seen
    }
    assert unseen == {f"/{key}" for key in ("global", "enabled")}


def _maps_by_name(schema: dict[str, Any], own: dict[str, Any], values: Any) -> Iterator[dict[str, Any]]:
    """The maps in the values whose items the schema lets be null."""
    if isinstance(values, dict):
        below = _resolved(schema, own.get("additionalProperties") or {})
        if "null" in json.dumps(below.get("anyOf", below.get("type", ""))):
            yield values
        for key, value in values.items():
            yield from _maps_by_name(schema, _resolved(schema, own.get("properties", {}).get(key) or below), value)


def _resolved(schema: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    return schema["$defs"][own["$ref"].rpartition("/")[2]] if "$ref" in own else own


def test_a_null_takes_back_what_an_earlier_file_added(
    render: Render, written: Callable[..., tuple[str, str]], schema: dict[str, Any], full_values: dict[str, Any]
) -> None:
    """Helm leaves the null of a key that the defaults do not have. In any map by name it is as no item at all."""
    values = deepcopy(full_values)
    maps = list(_maps_by_name(schema, schema, values))
    assert len(maps) > 50
    for each in maps:
        each["extra.example.com" if any("." in key for key in each) else "extra"] = None
    assert render(*written(values)) == render(*written(full_values))


@pytest.mark.parametrize(
    ("field", "taken", "refused"),
    [
        ("paths", ["/", "/v1/models", "/v1/*", "*/metrics", "*", "/v1/{*}/x", "/v1/{**}"], ["v1", "/a/*/b", "**", ""]),
        ("methods", ["GET", "M-SEARCH", "*"], ["get", "", "GET,POST"]),
    ],
)
def test_paths_and_methods_are_such_as_a_request_can_have(
    schema: dict[str, Any], values: dict[str, Any], field: str, taken: list[str], refused: list[str]
) -> None:
    """What Istio would take and never match is refused: in `refuses` it would let everything through."""

    for place in (("components", "inference-service", "accepts"), ("gateways", "ml-gateway", "accepts")):
        known = {value for value in (*taken, *refused) if _valid(schema, _with(values, place, "x", {field: [value]}))}
        assert known == set(taken)


def test_a_port_of_a_container_is_a_number_or_a_name(schema: dict[str, Any], values: dict[str, Any]) -> None:
    """A number in quotes, as --set-string writes it, is neither: the API server refuses it."""
    place = ("components", "inference-service", "ports")
    known = [
        port
        for port in (8080, "web", "8080")
        if _valid(schema, _with(values, place, "http", {"port": 80, "targetPort": port}))
    ]
    assert known == [8080, "web"]


def test_a_null_takes_back_a_mode(
    render_once: Render, written: Callable[..., tuple[str, str]], refusal: Callable[..., str]
) -> None:
    """Of one namespace: it has then that of all. The mode of all cannot be taken away: there would be no policies."""
    fields = {
        "authorization": {"namespaces": {"serving": None}},
        "egress": {"outboundTrafficPolicy": {"serving": None}},
    }
    assert render_once(*written(fields)) == render_once()
    assert "'/authorization/mode'" in refusal(*written({"authorization": {"mode": None}}))


@pytest.mark.parametrize(
    ("path", "taken", "refused"),
    [
        (
            "routes.inference-route.hostnames",
            [["a.example.com"], ["*.example.com"], ["a"]],
            [["A.example.com"], ["https://a"], ["a:80"], ["a..b"], ["a."]],
        ),
        (
            "components.inference-service.selector",
            [{"app.kubernetes.io/name": "Chat_1.2"}, {"app": ""}],
            [{"a b": "x"}, {"app": "a b"}, {"app": "a" * 64}],
        ),
        ("namespaces.serving.revision", ["", "1-31", "canary"], ["a b", "-"]),
        ("policy.mesh.clusterDomain", ["cluster.local", "k8s"], ["cluster.local.", "a b", ""]),
        ("policy.mesh.trustDomain", ["cluster.local", "td_1.example"], ["a b", "a/b", ""]),
        ("gateways.ml-gateway.serviceAccount", ["", "gateway-sa"], ["Gateway", "a b"]),
        ("gateways.ml-gateway.gatewayClassName", ["istio", "istio.example.com"], ["Istio", ""]),
        ("models.inference-service.versionHeader", ["", "x-model-version", "X-Model"], ["x model", "x:y"]),
    ],
)
def test_what_must_be_a_name_elsewhere_is_one(
    schema: dict[str, Any], values: dict[str, Any], path: str, taken: list[Any], refused: list[Any]
) -> None:
    """What the API server would refuse at install, or Istio would take and never match, Helm refuses before."""
    place, _, key = path.rpartition(".")
    for value in taken + refused:
        assert _valid(schema, _with(values, tuple(place.split(".")), key, value)) == (value in taken), value
