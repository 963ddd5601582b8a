"""The route that can say what a GRPCRoute cannot: a request's gRPC method is its path."""

from mlmesh.endpoints.write import numbers, wanted_by_http_route
from mlmesh.graph.fields import at, entries, maps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from mlmesh.endpoints.routes import Rule
    from mlmesh.graph.release import Release
    from mlmesh.graph.route import Match

_FORMS = {"exact": "Exact", "prefix": "PathPrefix", "regex": "RegularExpression"}


def manifest(rules: "Sequence[Rule]", release: "Release") -> "dict[str, Any]":
    """What to put in a GRPCRoute's place: ``rules`` are all of its rules.

    An HTTPRoute, which may have the same parents, hosts, filters and backends; for sidecars (a Service as parent) a
    VirtualService, which can say retries, where no rule has filters.
    """
    route = rules[0].route
    item = route.owner
    metadata = {"name": item.name, **({"namespace": item.namespace} if item.namespace else {})}
    found: dict[str, Any]
    filtered = any(rule.data.get("filters") for rule in rules)
    parents = [parent for parent in route.parents if parent.kind == "Service"]
    if parents and len(parents) == len(route.parents) and not filtered:
        hosts = [release.host(parent.name, parent.namespace) for parent in parents]
        http = [_istio_rule(rule, release) for rule in rules]
        found = {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": metadata}
        found["spec"] = {"hosts": hosts, "http": http}
    else:
        spec = item.data["spec"]
        found = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": metadata}
        kept = {key: spec[key] for key in ("parentRefs", "hostnames") if key in spec}
        found["spec"] = {**kept, "rules": [_http_rule(rule, release) for rule in rules]}
    return found


def _http_rule(rule: "Rule", release: "Release") -> "dict[str, Any]":
    written: dict[str, Any] = {"name": rule.data["name"]} if "name" in rule.data else {}
    matches = [_http_match(match) for match in rule.matched.matches]
    if matches:
        written["matches"] = matches
    written |= {key: rule.data[key] for key in ("filters", "backendRefs", "sessionPersistence") if key in rule.data}
    return {**written, **(wanted_by_http_route(rule, release) if rule.sure else {})}


def _http_match(match: "Match") -> "dict[str, Any]":
    found: dict[str, Any] = {}
    if match.form:
        path = match.path if match.form != "prefix" else match.path.rstrip("/")
        found["path"] = {"type": _FORMS[match.form], "value": path}
    if match.data.get("headers"):
        found["headers"] = match.data["headers"]
    return found


def _istio_rule(rule: "Rule", release: "Release") -> "dict[str, Any]":
    from mlmesh.endpoints.derive import written

    found: dict[str, Any] = {"name": rule.data["name"]} if "name" in rule.data else {}
    matches = [_istio_match(match) for match in rule.matched.matches]
    if matches and all(matches):
        found["match"] = matches
    found["route"] = [
        {
            "destination": {"host": backend.host, **({"port": {"number": backend.port}} if backend.port else {})},
            **({"weight": backend.weight} if backend.weight is not None else {}),
        }
        for backend in rule.backends
    ]
    if rule.sure:
        found |= written({key: number.value for key, number in numbers(rule, release).items()})
    return found


def _istio_match(match: "Match") -> "dict[str, Any]":
    found: dict[str, Any] = {}
    if match.form:
        found["uri"] = {match.form: match.path}
    headers = {}
    for _, header in maps(entries(at(match.data, "headers"))):
        form = "regex" if header.get("type") == "RegularExpression" else "exact"
        headers[str(header.get("name"))] = {form: str(header.get("value"))}
    if headers:
        found["headers"] = headers
    return found
