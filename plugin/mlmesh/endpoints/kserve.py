"""How long KServe lets a request take: ``timeout`` of an InferenceService's parts, routes of an LLMInferenceService.

``timeout`` (whole seconds) is for a whole request, a stream too. What it becomes:

- Standard mode: ``timeouts.request`` of KServe's HTTPRoute, which ends a request after 60 s where it is left out, and
  after none where it is 0 (kserve/kserve pkg/controller/v1beta1/inferenceservice/reconcilers/ingress/
  httproute_reconciler.go resolveTimeout).
- Knative mode: ``timeoutSeconds`` and ``responseStartTimeoutSeconds`` of the revision, 300 s where it is left out; more
  than 600 are refused unless ``max-revision-timeout-seconds`` says more (.../knative/ksvc_reconciler.go;
  knative/serving pkg/apis/config/defaults.go). The activator counts the start of a pod from zero, too (cmd/activator).
- ModelMesh mode: nothing.

Without an annotation the mode is the cluster's. An LLMInferenceService can hold the spec of an HTTPRoute.
"""

from math import ceil, inf

from mlmesh.endpoints.kserve_types import of_llm, of_part
from mlmesh.endpoints.routes import Rule, read
from mlmesh.endpoints.write import numbers
from mlmesh.graph.fields import at, mapping
from mlmesh.graph.route import GATEWAY_API, Backend, Match, Parent, Route
from mlmesh.graph.route import Rule as Matched
from mlmesh.manifests.objects import KubeObject, without_nulls
from mlmesh.model.units import duration_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from mlmesh.graph.pods import PodTemplate
    from mlmesh.graph.release import Release

GROUP = "serving.kserve.io"
KINDS = ("InferenceService", "LLMInferenceService")
MODE = f"{GROUP}/deploymentMode"
STANDARD, KNATIVE, MODEL_MESH, UNKNOWN = "Standard", "Knative", "ModelMesh", ""
UNSET = {STANDARD: 60, KNATIVE: 300, UNKNOWN: 60}  # seconds
LONGEST = 600  # seconds that Knative takes
PARTS = ("predictor", "transformer", "explainer")
ROUTE = "/spec/router/route/http"
_LEGACY = {"RawDeployment": STANDARD, "Serverless": KNATIVE}
_GATEWAY = Parent(GATEWAY_API, "Gateway", "kserve", "kserve-ingress-gateway", pointer="")
_EXPLAIN = Match({}, "regex", r"/v1/models/[\w-]+:explain", "", [])


def mode(item: KubeObject) -> str:
    """How KServe runs an InferenceService; UNKNOWN where only the cluster's settings tell."""
    said = str(item.annotations().get(MODE, ""))
    found = _LEGACY.get(said, said)
    return found if found in (STANDARD, KNATIVE, MODEL_MESH) else UNKNOWN


def rules_of(item: KubeObject, pods: "Sequence[PodTemplate]", release: "Release") -> "list[Rule]":
    """The rules that KServe routes an object by, with what each serves: a rule for each part of an InferenceService.

    Raises InputError for an annotation that names no type.
    """
    if item.kind == "InferenceService" and mode(item) != MODEL_MESH:
        parts = {pod.part: pod for pod in pods if pod.part in PARTS}
        return [_part(pod, parts, release) for pod in parts.values()]
    if item.kind == "LLMInferenceService" and isinstance(at(item.data, "spec.router.route.http.spec"), dict):
        return list(_routed(item, pods, release))
    return []


def wanted_seconds(rule: Rule, release: "Release") -> float:
    """What a rule's types may take by the policy; inf where they have no timeout."""
    block = numbers(rule, release)
    return ceil(duration_ms(str(block["timeout"].value)) / 1000) if "timeout" in block else inf


def given_seconds(wanted: float, how: str) -> int | None:
    """What is derived for types that may take ``wanted`` seconds; None where KServe gives enough by itself.

    Where a pod may have to be started from zero first, no request gets less than Knative gives it, nor more than it
    takes.
    """
    if wanted == inf or (how != STANDARD and wanted <= UNSET[how]):
        return None
    return int(wanted) if how == STANDARD else int(min(max(wanted, UNSET[KNATIVE]), LONGEST))


def adjusted(given: float, wanted: float) -> str:
    """Why what is derived is not what the types may take; empty where it is."""
    if given > wanted:
        return f"; {given:g}s is what Knative gives, with the start of a pod from zero"
    return f"; Knative takes {LONGEST}s at most unless it is told" if given < wanted else ""


def told(rule: Rule, release: "Release") -> "tuple[Any, str]":
    """The timeout of a part that is not its user's, and where it comes from."""
    how, value = mode(rule.owner), rule.data.get("timeout")
    if isinstance(value, int):
        return value, numbers(rule, release)["timeout"].source + adjusted(value, wanted_seconds(rule, release))
    if how == KNATIVE:
        return f"{UNSET[how]}s", "Knative's own"
    more = f"; {UNSET[KNATIVE]}s where Knative runs it" if how == UNKNOWN else ""
    return f"{UNSET[how]}s", f"KServe's own, in its HTTPRoute{more}"


def _part(pod: "PodTemplate", parts: "dict[str, PodTemplate]", release: "Release") -> Rule:
    item, part = pod.owner, pod.part
    types, reason, sure = of_part(part, parts, release)
    name, namespace = f"{item.name}-{part}", release.namespace(item)
    host = release.host(name, namespace)
    backend = Backend("", "Service", namespace, name, host=host, pointer=f"/spec/{part}", port=None)
    data = without_nulls(mapping(at(item.data, f"spec.{part}")))
    own = data.get("timeout")
    matches = [_EXPLAIN] if part == "explainer" else []
    seconds = float(UNSET[mode(item)] if own is None else own if isinstance(own, int) else 0) or inf
    matched = Matched(data, f"/spec/{part}", "http", matches=matches, timeout=seconds, backends=[backend])
    return Rule(Route(item, [], [_GATEWAY], [matched]), matched, types, reason, sure=sure)


def _routed(item: KubeObject, pods: "Sequence[PodTemplate]", release: "Release") -> "Iterator[Rule]":
    """The rules of the HTTPRoute in an object. What is sent to its own pods serves what these do."""
    data = {
        "apiVersion": f"{GATEWAY_API}/v1",
        "kind": "HTTPRoute",
        "metadata": item.data["metadata"],
        "spec": without_nulls(at(item.data, "spec.router.route.http.spec")),
    }
    own = {f"{item.name}-inference-pool", f"{item.name}-kserve-workload-svc"}
    for rule in read(KubeObject(item.document, item.pointer + ROUTE, data), release):
        inner, types, reason, sure = rule.matched, rule.types, rule.reason, rule.sure
        if not sure and rule.backends and own.issuperset(backend.name for backend in rule.backends):
            served, why, _ = of_llm(item, pods, release)
            if not types or set(types) <= set(served):
                types, reason, sure = types or served, f"{reason}; {why}", bool(served)
        matched = Matched(
            inner.data,
            ROUTE + inner.pointer,
            inner.protocol,
            matches=inner.matches,
            timeout=inner.timeout,
            backends=inner.backends,
        )
        route = Route(item, rule.route.hosts, rule.route.parents or [_GATEWAY], [matched])
        yield Rule(route, matched, types, reason, sure=sure)
