"""How long KServe lets a request take: ``timeout`` of an InferenceService's parts, routes of an LLMInferenceService.

Where ``timeout`` (whole seconds) is left out, KServe's HTTPRoute ends a request after 60 s, streams too, and Knative
after 300 s; Knative takes 600 s at most unless its ``max-revision-timeout-seconds`` says more (kserve/kserve
pkg/controller/v1beta1/inferenceservice/reconcilers/ingress/httproute_reconciler.go resolveTimeout, .../knative/
ksvc_reconciler.go). An LLMInferenceService can hold the spec of an HTTPRoute.
"""

from math import ceil, inf

from mlmesh.endpoints.catalogue import TYPES
from mlmesh.endpoints.derive import fields
from mlmesh.endpoints.routes import read
from mlmesh.endpoints.servers import SERVERS, served_by
from mlmesh.endpoints.serves import named
from mlmesh.endpoints.write import set_by_user, wanted_by_http_route
from mlmesh.graph.fields import at
from mlmesh.graph.inventory import ENDPOINT
from mlmesh.graph.route import GATEWAY_API
from mlmesh.graph.violation import Violation
from mlmesh.manifests.objects import KubeObject
from mlmesh.model.units import duration_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from mlmesh.endpoints.catalogue import EndpointType
    from mlmesh.endpoints.derive import Number
    from mlmesh.graph.pods import PodTemplate
    from mlmesh.graph.release import Release

    Field = tuple[str, Any, str]  # where (from the object), the value, and why

GROUP = "serving.kserve.io"
UNSET = 60  # seconds
PARTS = ("predictor", "transformer", "explainer")
MODE, STANDARD = "serving.kserve.io/deploymentMode", ("RawDeployment", "Standard")
COLD = 300  # seconds: what Knative gives where nothing is said, a start from zero included
KNATIVE = 600  # seconds
_INNER = "/spec/router/route/http"
_FORMATS = {
    "huggingface": "vLLM",
    "vllm": "vLLM",
    "mlflow": "MLServer",
    **dict.fromkeys(("lightgbm", "paddle", "pmml", "sklearn", "xgboost"), "KServe's servers"),
}


def derived_fields(
    item: KubeObject, pods: "Iterable[PodTemplate]", release: "Release", ours: "frozenset[str]"
) -> "Iterator[Field]":
    """What is derived into one of KServe's objects; of earlier runs are ``ours``. What is too short is noted."""
    if item.kind == "InferenceService":
        for pod in pods:
            yield from _component(item, pod, release, ours)
    elif item.kind == "LLMInferenceService" and isinstance(at(item.data, "spec.router.route.http.spec"), dict):
        yield from _routed(item, release, ours)


def is_ours(path: str) -> bool:
    """Whether a derived pointer is one of these fields."""
    return path.startswith(_INNER) or path in [f"/spec/{part}/timeout" for part in PARTS]


def _component(item: KubeObject, pod: "PodTemplate", release: "Release", ours: "frozenset[str]") -> "Iterator[Field]":
    part = pod.part
    component = at(item.data, f"spec.{part}")
    if part not in PARTS or not isinstance(component, dict):
        return
    types, reason = _serves(item, pod, component, release)
    hosts = (f"{item.name}-{part}",)
    wanted = _seconds(fields(types, release.policy, hosts)) if types else inf
    if wanted == inf:
        return
    path = f"/spec/{part}/timeout"
    own = component.get("timeout")
    if (own is None or path in ours) and wanted >= COLD:
        served = "+".join(kind.name for kind in types)
        limit = ""
        if wanted > KNATIVE and item.annotations().get(MODE) not in STANDARD:
            wanted, limit = KNATIVE, f"; Knative refuses more than {KNATIVE}"
        yield path, wanted, f"{part} serves {served} ({reason}): KServe would end it after {UNSET}s{limit}"
        return
    if own is None or path in ours:
        return  # Knative counts a start from zero in it: what it gives by itself is not to be shortened
    least = {kind.name: _seconds(fields((kind,), release.policy, hosts)) for kind in types if kind.generates}
    if isinstance(own, int) and least and 0 < own < min(least.values()):
        release.notes.setdefault("MLM207", []).append(
            Violation(
                item,
                path,
                f"the {part} serves {' and '.join(least)}, and KServe ends every request, streams too, after {own}s: "
                f"the policy gives {wanted}s",
                f"timeout: {wanted}, or leave it out to have it derived",
                evidence=part,
                operations=({"op": "replace", "path": path, "value": wanted},),
            )
        )


def _seconds(block: "dict[str, Number]") -> float:
    return ceil(duration_ms(str(block["timeout"].value)) / 1000) if "timeout" in block else inf


def _serves(
    item: KubeObject, pod: "PodTemplate", component: "dict[str, Any]", release: "Release"
) -> "tuple[tuple[EndpointType, ...], str]":
    """The types of a component: by the object's annotation, a component of the policy, its containers or its format."""
    if ENDPOINT in item.annotations():
        return named(item, ENDPOINT), f"annotation {ENDPOINT}"
    labels = {str(key): str(value) for key, value in pod.labels.items()}
    for name, each in release.policy.spec.get("components", {}).items():
        selector = each.get("selector")
        here = each.get("namespace", release.namespace(item)) == release.namespace(item)
        if each.get("serves") and selector and here and selector.items() <= labels.items():
            return tuple(TYPES[kind] for kind in each["serves"]), f"component {name} serves it"
    names, reason = served_by(pod)
    if not names:
        form = str(at(component, "model.modelFormat.name") or "")
        server = _FORMATS.get(form, "")
        names, reason = SERVERS.get(server, ()), f"modelFormat {form}"
    return tuple(TYPES[name] for name in names), reason


def _routed(item: KubeObject, release: "Release", ours: "frozenset[str]") -> "Iterator[Field]":
    data = {
        "apiVersion": f"{GATEWAY_API}/v1",
        "kind": "HTTPRoute",
        "metadata": item.data["metadata"],
        "spec": at(item.data, "spec.router.route.http.spec"),
    }
    route = KubeObject(item.document, item.pointer + _INNER, data)
    earlier = frozenset(path.removeprefix(_INNER) for path in ours)
    for rule in read(route, release):
        if not rule.sure or not rule.backends or set_by_user(rule, earlier):
            continue
        served = "+".join(kind.name for kind in rule.types)
        for key, value in wanted_by_http_route(rule, release).items():
            yield f"{_INNER}{rule.path}/{key}", value, f"a route of it serves {served} ({rule.reason})"
