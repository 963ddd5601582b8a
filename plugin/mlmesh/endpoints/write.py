"""What is derived into routes: VirtualServices get timeout and retries, HTTPRoutes timeouts and, where they can, retry.

A rule with one of these fields of the user's own is left alone. A GRPCRoute has neither field.
"""

from mlmesh.endpoints.routes import OWN, is_route, read
from mlmesh.graph.stamps import derived, stamped
from mlmesh.model.patches import Patch
from mlmesh.model.units import duration_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from mlmesh.endpoints.derive import Number
    from mlmesh.endpoints.routes import Rule
    from mlmesh.endpoints.serves import Servers
    from mlmesh.graph.delegates import Inherited
    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject
    from mlmesh.model.patches import Operation

# What Istio makes of an HTTPRoute's retry besides its codes (istio/istio pilot/pkg/config/kube/gateway/conversion.go).
ALWAYS_RETRIED = ("connect-failure", "refused-stream", "unavailable", "cancelled")
CODES = {"5xx": (500, 502, 503, 504), "gateway-error": (502, 503, 504), "retriable-4xx": (409,)}


def derive(
    items: "Iterable[KubeObject]", release: "Release", servers: "Callable[[], Servers] | None" = None
) -> "Iterator[Patch]":
    """A patch for each route with a rule that is without a block of its own and serves known types."""
    for item in items:
        if is_route(item) and OWN[item.kind]:
            patch = _derive(item, release, servers)
            if patch is not None:
                yield patch


def set_by_user(rule: "Rule", earlier: "frozenset[str] | None" = None) -> list[str]:
    """The fields of a rule's timeouts and retries that no run has derived."""
    ours = derived(rule.owner) if earlier is None else earlier
    return [key for key in OWN[rule.owner.kind] if key in rule.data and f"{rule.path}/{key}" not in ours]


def inherited(rule: "Rule", release: "Release") -> "Inherited":
    """What a delegate's rule has from the rule that leads to it, as mlmesh.graph.delegates tells it."""
    if rule.owner.kind != "VirtualService" or rule.route.hosts:
        return {}
    from mlmesh.graph.delegates import inherited as of_rule

    return of_rule(rule.owner, rule.data, release)


def numbers(rule: "Rule", release: "Release") -> "dict[str, Number]":
    """The block of a rule's types, field by field, whether its route can say it or not."""
    from mlmesh.endpoints.derive import fields

    route = (release.namespace(rule.owner), rule.owner.name, rule.matched.name)
    hosts = rule.hosts(release)
    return fields(rule.types, release.policy, hosts, namespace=route[0], route=route, grpc=rule.grpc)


def wanted(rule: "Rule", release: "Release") -> "dict[str, Any]":
    """The fields that a rule gets, as its API writes them; empty where nothing is derived into it."""
    if not rule.sure or not rule.sends:
        return {}
    if rule.owner.kind != "VirtualService":
        return wanted_by_http_route(rule, release)
    from mlmesh.endpoints.derive import written

    return written({key: number.value for key, number in numbers(rule, release).items()})


def wanted_by_http_route(rule: "Rule", release: "Release") -> "dict[str, Any]":
    """The ``timeouts`` and, where the policy says that there is one, ``retry`` of an HTTPRoute's rule of known types.

    No ``backendRequest``: a try that it ends is never repeated, so it would only take time from the answer.
    """
    block = {key: number.value for key, number in numbers(rule, release).items()}
    found: dict[str, Any] = {}
    if "timeout" in block:
        found["timeouts"] = {"request": gateway_duration(str(block["timeout"]))}
    elif any(_endless(kind.name, release) for kind in rule.types):
        found["timeouts"] = {"request": "0s"}
    if says_retry(release) and block.get("attempts"):
        found["retry"] = {"attempts": block["attempts"]}
        codes = codes_of(str(block.get("retryOn", "")))
        if codes:
            found["retry"]["codes"] = codes
    return found


def says_retry(release: "Release") -> bool:
    """Whether HTTPRoutes have the field ``retry``: Gateway API has it in its experimental channel alone."""
    return release.mesh("gatewayApiChannel") == "experimental"


def codes_of(retry_on: str) -> list[int]:
    """The status codes that an HTTPRoute's retry has for conditions of Envoy's; it takes those of errors alone."""
    codes = set()
    for word in retry_on.split(","):
        codes |= {int(word)} if _is_error(word) else set(CODES.get(word, ()))
    return sorted(codes)


def _is_error(word: str) -> bool:
    return word.isdecimal() and 400 <= int(word) <= 599


def unsaid(rule: "Rule", release: "Release") -> list[str]:
    """What a rule's block has and its HTTPRoute, GRPCRoute or KServe's object cannot say, in words."""
    block = {key: number.value for key, number in numbers(rule, release).items() if key != "idle"}
    if rule.owner.kind == "GRPCRoute":
        return [f"{key} {value}" for key, value in block.items()]
    attempts = block.get("attempts")
    if attempts is None:
        return []
    if not says_retry(release) or not attempts or rule.owner.kind == "InferenceService":
        return [f"{key} {block[key]}" for key in ("attempts", "perTryTimeout", "retryOn") if key in block]
    lost = [f"perTryTimeout {block['perTryTimeout']}"] if "perTryTimeout" in block else []
    said = {*ALWAYS_RETRIED, *CODES}
    words = str(block.get("retryOn", "")).split(",")
    missing = [word for word in words if word and word not in said and not _is_error(word)]
    return lost + ([f"retryOn {','.join(missing)}"] if missing else [])


def gateway_duration(text: str) -> str:
    """A duration as Gateway API writes it: no fractions, at most five digits a unit. To the millisecond."""
    seconds, ms = divmod(round(duration_ms(text)), 1000)
    minutes, seconds = divmod(seconds, 60) if seconds > 99_999 else (0, seconds)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "m"), (seconds, "s"), (ms, "ms"))
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"


def _endless(kind: str, release: "Release") -> bool:
    timeout = release.policy.spec["endpoints"]["types"].get(kind, {}).get("timeout")
    return isinstance(timeout, str) and timeout != "" and not duration_ms(timeout)


def _derive(item: "KubeObject", release: "Release", servers: "Callable[[], Servers] | None") -> Patch | None:
    earlier = derived(item)
    operations: list[Operation] = []
    ours: list[str] = []
    reasons: list[str] = []
    for index, rule in enumerate(read(item, release, servers)):
        kept = set_by_user(rule, earlier)
        above = inherited(rule, release).values()
        block = {} if kept or any(path not in derived(root) for _, root, path in above) else wanted(rule, release)
        before = len(operations)
        for key in OWN[item.kind]:
            path = item.pointer + f"{rule.path}/{key}"
            if key in block:
                ours.append(f"{rule.path}/{key}")
                if key not in rule.data:
                    operations.append({"op": "add", "path": path, "value": block[key]})
                elif rule.data[key] != block[key]:
                    operations.append({"op": "replace", "path": path, "value": block[key]})
            elif key in rule.data and key not in kept:
                operations.append({"op": "remove", "path": path})
        if len(operations) > before:
            served = "+".join(kind.name for kind in rule.types) or "nothing known"
            reasons.append(f"rule {index} serves {served} ({rule.reason})")
    return stamped(item, operations, ours, "; ".join(reasons)) if operations else None
