"""Endpoint pickers that an InferencePool does not find, or finds too seldom: MLM601, MLM611, MLM612."""

from mlmesh.graph.fields import at, entries, maps
from mlmesh.graph.kinds import SCALERS
from mlmesh.graph.pickers import arguments, option, picked
from mlmesh.graph.pools import POOL_GROUP
from mlmesh.invariants.rule import ABSENCE, CONTRADICTION, PODS, VERSION, Rule, Violation
from mlmesh.model.findings import ERROR, WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlmesh.graph.inventory import Pods
    from mlmesh.graph.release import Release

_EXTENSION = "ENABLE_GATEWAY_API_INFERENCE_EXTENSION"
_YES = ("1", "t", "T", "true", "True", "TRUE")  # what Go's strconv.ParseBool takes for true


def picker_ref_broken(release: "Release") -> "Iterator[Violation]":
    """An InferencePool names a picker's Service that is not in its namespace, or a port that it does not have.

    Why: without its picker a pool answers every request with 500 (failureMode FailClose, the default), or is only
    balanced round robin. The reference has no namespace: the Service must be in the pool's own.

    Bad: `endpointPickerRef: {name: epp, port: {number: 9002}}` where the Service `epp` is in another namespace

    Good: the Service and the pool in one namespace, and a port of it by its number

    Source: istio/istio pilot/pkg/config/kube/gateway/inferencepool_collection.go; opendatahub-io/kserve pull request
    729.
    """
    found = list(picked(release))
    services = {(release.namespace(item), item.name): item for item in release.known("", "Service")} if found else {}
    for each in found:
        place = (each.namespace, each.name)
        service = services.get(place)
        if service is not None:
            numbers = [port.get("port") for _, port in maps(at(service.data, "spec.ports"))]
            if each.port is not None and numbers and each.port not in numbers:
                yield Violation(
                    each.pool,
                    "/spec/endpointPickerRef/port",
                    f"the picker's Service {each.namespace}/{each.name} has no port {each.port}, so no gateway "
                    f"reaches the picker: {each.lost}",
                    f"name one of its ports: {', '.join(map(str, numbers))}",
                    severity=ERROR if place in release.services else WARNING,
                    operations=(
                        ({"op": "replace", "path": "/spec/endpointPickerRef/port/number", "value": numbers[0]},)
                        if len(numbers) == 1 and at(each.pool.data, "spec.endpointPickerRef.port.number") is not None
                        else ()
                    ),
                )
        elif not (release.own.maker(*place) or release.context.maker(*place) or _external(each.host, release)):
            elsewhere = sorted(where for where, name in services if name == each.name)
            hint = f" (there is one in {', '.join(elsewhere)}; the reference has no namespace)" if elsewhere else ""
            yield Violation(
                each.pool,
                "/spec/endpointPickerRef/name",
                f"there is no Service {each.name} in namespace {each.namespace}{hint}, so no gateway reaches the "
                f"pool's picker: {each.lost}",
                f"put the picker and its Service into {each.namespace}, or declare {each.host} under external.hosts "
                "where another release has it",
                severity=release.weight(each.namespace),
            )


def _external(host: str, release: "Release") -> bool:
    return host in {release.host(name, release.policy.namespace) for name in release.external("hosts")}


def picker_single(release: "Release") -> "Iterator[Violation]":
    """A pool that fails without its picker has one replica of it: its restart is an outage of the pool.

    Why: with failureMode FailClose, the default, a gateway answers 500 for as long as no picker answers.

    Bad: `replicas: 1` of the picker, and no failureMode

    Good: `replicas: 2` with `--ha-enable-leader-election`, or `failureMode: FailOpen`, which balances round robin
    meanwhile

    Source: kubernetes-sigs/gateway-api-inference-extension issue 572, config/charts/epplib/templates/_deployment.yaml.
    """
    for each in picked(release):
        if (at(each.pool.data, "spec.endpointPickerRef.failureMode") or "FailClose") != "FailClose":
            continue
        pods = each.pods(release)
        if len(pods) != 1 or pods[0].kind != "Deployment" or _replicas(pods[0], release) != 1:
            continue
        words = arguments(pods[0])
        alone = words is None or option(words, "ha-enable-leader-election") in ("", "false")
        yield Violation(
            each.pool,
            "/spec/endpointPickerRef",
            f"the pool's only picker, {pods[0].title}, has one replica, and with failureMode FailClose every request "
            "is answered 500 while it restarts",
            "replicas: 2 of the picker" + (" with --ha-enable-leader-election" if alone else "") + ", or failureMode: "
            "FailOpen here, by which requests are balanced round robin meanwhile",
            operations=({"op": "add", "path": "/spec/endpointPickerRef/failureMode", "value": "FailOpen"},),
        )


def _replicas(pods: "Pods", release: "Release") -> int:
    """How many there are: one where nothing says, and nothing scales them; 0 where nobody can tell."""
    if pods.replicas is None:
        return int(release.kinds.isdisjoint(SCALERS))
    return pods.replicas


def extension_off(release: "Release") -> "Iterator[Violation]":
    """The release has InferencePools, and istiod is not told to read them: every request to a pool is a 500.

    Why: Istio reads InferencePools only where istiod has ENABLE_GATEWAY_API_INFERENCE_EXTENSION. Without it the
    backend is of a kind that it does not know.

    Bad: istiod without that variable, and an InferencePool

    Good: `ENABLE_GATEWAY_API_INFERENCE_EXTENSION: "true"` in the istiod chart's `env`

    Source: istio/istio pilot/pkg/features/experimental.go, pilot/pkg/config/kube/gateway/conversion.go
    buildDestination; kubernetes-sigs/gateway-api-inference-extension issue 1344.
    """
    pools = release.of(POOL_GROUP, "InferencePool")
    planes = [pods for pods in release.selected(None, {"app": "istiod"}) if pods.kind == "Deployment"] if pools else []
    if not planes or any(_may_read_pools(pods) for pods in planes):
        return
    for pool in pools:
        yield Violation(
            pool,
            "/spec",
            f"{planes[0].title} does not have {_EXTENSION}, so istiod reads no InferencePool: a route to {pool.name} "
            "is answered 500",
            f'in the values of the istiod chart, env: {{{_EXTENSION}: "true"}}',
        )


def _may_read_pools(pods: "Pods") -> bool:
    """Whether an istiod reads pools, or has variables that nobody here reads."""
    for _, container in maps(pods.template().spec.get("containers")):
        if entries(container.get("envFrom")):
            return True
        for _, each in maps(container.get("env")):
            if each.get("name") == _EXTENSION:
                return "value" not in each or str(each["value"]) in _YES
    return False


RULES = (
    Rule(
        "MLM601",
        picker_ref_broken,
        severity=ERROR,
        confidence=ABSENCE,
        judges=("InferencePool",),
        reads=("Service",),
        fix="unsafe",
    ),
    Rule(
        "MLM611",
        picker_single,
        severity=WARNING,
        confidence=CONTRADICTION,
        judges=("InferencePool",),
        reads=("Service", PODS),
        fix="unsafe",
    ),
    Rule("MLM612", extension_off, severity=WARNING, confidence=VERSION, judges=("InferencePool",), reads=(PODS,)),
)
