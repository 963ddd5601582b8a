"""The timeout and retries of a route, from its endpoint types and the policy."""

from mlmesh.endpoints.catalogue import STRICTNESS, EndpointType
from mlmesh.model.units import duration_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from mlmesh.policy.settings import Policy

RETRIES = ("attempts", "perTryTimeout", "retryOn")
FIELDS = ("timeout", *RETRIES, "idle")
TIMES = ("timeout", "perTryTimeout")
LONGEST = ("timeout", "idle")  # of several types the longest; unset is longer than any


class Number:
    """A field's value as it is written, and where it comes from in words."""

    __slots__ = ("source", "value")

    def __init__(self, value: "str | int", source: str) -> None:
        self.value = value
        self.source = source


def fields(
    types: "Sequence[EndpointType]",
    policy: "Policy",
    hosts: "Sequence[str]" = (),
    *,
    namespace: str = "",
    route: "tuple[str, str, str]" = ("", "", ""),
    grpc: bool = False,
) -> "dict[str, Number]":
    """The fields of a rule that serves these types and sends to these hosts, as an object of the namespace names them.

    ``timeout``, ``attempts``, ``perTryTimeout``, ``retryOn``, where they are set; under objectives also ``idle``, how
    long a stream may be silent, which no field of a route can say. A field that the policy sets for the type outright
    stands before objectives, and these before the built-in default. ``route``: the namespace and the name of the rule's
    route, and the rule's own name. ``grpc``: requests are gRPC. Where nothing names the release's namespace, short
    names in the policy are of ``namespace``.

    Several types or hosts: the block of the type whose repetition costs most, and of equals the one with the longest
    perTryTimeout; the timeout is the longest of all. ``admin``, which is to be denied, counts alone. ``0s`` and null in
    the policy leave a field out (Istio refuses ``timeout: 0s``).
    """
    names = hosts_with_objectives(policy, hosts, namespace)
    routes = routes_with_objectives(policy, *route)
    served = [kind for kind in types if kind.name != "admin"] or types
    blocks = [(kind, _block(kind, policy, name, routes, grpc=grpc)) for kind in served for name in names]
    kind, strictest = max(blocks, key=lambda pair: (STRICTNESS.index(pair[0].retry), _ms(pair[1], "perTryTimeout")))
    if len(blocks) == 1:
        return strictest
    mixed = {key: strictest[key] for key in FIELDS if key in strictest and key not in LONGEST}
    for key in LONGEST:
        slowest, numbers = max(blocks, key=lambda pair: _ms(pair[1], key))
        if key in numbers:
            more = "" if slowest is kind else f": {slowest.name} is the slowest"
            mixed[key] = Number(numbers[key].value, numbers[key].source + more)
    return {key: mixed[key] for key in FIELDS if key in mixed}


def block(
    types: "Sequence[EndpointType]",
    policy: "Policy",
    hosts: "Sequence[str]" = (),
    *,
    namespace: str = "",
    grpc: bool = False,
) -> "dict[str, Any]":
    """The ``timeout`` and ``retries`` of a VirtualService's rule: ``fields`` as Istio writes them."""
    found = fields(types, policy, hosts, namespace=namespace, grpc=grpc)
    return written({key: number.value for key, number in found.items()})


def written(values: "Mapping[str, str | int]") -> "dict[str, Any]":
    """Fields as a VirtualService's rule has them."""
    rule: dict[str, Any] = {}
    if "timeout" in values:
        rule["timeout"] = values["timeout"]
    if "attempts" in values:
        rule["retries"] = {key: values[key] for key in RETRIES if key in values}
    return rule


def _ms(block: "dict[str, Number]", key: str) -> float:
    return duration_ms(str(block[key].value)) if key in block else float("inf")


def _block(
    kind: EndpointType, policy: "Policy", host: str, routes: "Sequence[str]", *, grpc: bool
) -> "dict[str, Number]":
    endpoints = policy.spec["endpoints"]
    outright = policy.carried.get("endpoints", {}).get("types", {}).get(kind.name, {})
    own = {}
    for key, value in endpoints["types"].get(kind.name, {}).items():
        if value is None or value == "" or (key in TIMES and not duration_ms(value)):
            continue
        if key in outright:
            own[key] = Number(value, f"spec.endpoints.types.{kind.name}.{key}")
        elif key == "retryOn" and grpc and kind.grpc_retry_on:
            own[key] = Number(f"{value},{kind.grpc_retry_on}", f"the default of {kind.name} for gRPC")
        else:
            own[key] = Number(value, f"the default of {kind.name}")
    found = own
    if endpoints.get("objectives"):
        from mlmesh.endpoints.objectives import computed
        from mlmesh.policy.objectives import gather

        objectives = gather(endpoints["objectives"], kind.name, host, routes)
        if objectives:
            found = computed(kind.name, objectives, own, outright, place=policy.place)
    if "perTryTimeout" not in outright and _ms(found, "perTryTimeout") >= _ms(found, "timeout"):
        found.pop("perTryTimeout", None)  # Envoy ignores one that is not below the timeout
    alone = "attempts" not in found or found["attempts"].value == 0  # istiod refuses any other field beside 0
    return {key: found[key] for key in FIELDS if key in found and not (alone and key in ("perTryTimeout", "retryOn"))}


def routes_with_objectives(policy: "Policy", namespace: str, name: str, rule: str) -> "list[str]":
    """The keys of ``objectives.routes`` that mean a rule: those of the whole route before those of the rule."""
    known = policy.spec["endpoints"].get("objectives", {}).get("routes")
    if not known or not name:
        return []
    names = [f"{namespace}/{name}", *([name] if policy.namespace in (namespace, "") else [])]
    return [key for key in (*names, *(f"{each}#{rule}" for each in names if rule)) if key in known]


def hosts_with_objectives(policy: "Policy", hosts: "Sequence[str]", namespace: str) -> "list[str]":
    """The keys of ``objectives.hosts`` that mean these hosts; an empty string for those without one."""
    known = policy.spec["endpoints"].get("objectives", {}).get("hosts")
    if not known or not hosts:
        return [""]
    from mlmesh.graph.hosts import fqdn

    domain = policy.spec["mesh"]["clusterDomain"]
    named = {fqdn(name, policy.namespace or namespace, domain): name for name in known}
    return list(dict.fromkeys(named.get(fqdn(host, namespace or policy.namespace, domain), "") for host in hosts))
