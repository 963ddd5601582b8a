"""Istio's control plane in a cluster: istiod's pods, the injector's webhooks, and whom these are asked about."""

from mlmesh.commands.kubectl import forbidden, refused_only, told, unreadable
from mlmesh.commands.live import items_of
from mlmesh.graph.fields import at, mapping, maps, selects
from mlmesh.model.cluster import Istiod, Webhook

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.commands.kubectl import Kubectl
    from mlmesh.graph.release import Release
    from mlmesh.model.cluster import Live

# istio/istio manifests/charts/istio-control/istio-discovery/templates: deployment.yaml, mutatingwebhook.yaml
_PODS, _WEBHOOKS = "pods", "mutatingwebhookconfigurations.admissionregistration.k8s.io"
_LABELS = "app in (istiod,sidecar-injector)"
_REVISION, _TAG = "istio.io/rev", "istio.io/tag"
_INJECTION, _DATAPLANE = "istio-injection", "istio.io/dataplane-mode"


def read_injector(kubectl: "Kubectl", live: "Live") -> None:
    """Tell ``live`` of istiod's pods and the injector's webhooks, as far as they may be read. Raises InputError."""
    asked = f"{_PODS},{_WEBHOOKS}"
    code, output, stderr = kubectl.ask("get", asked, "--all-namespaces", f"--selector={_LABELS}", "--output=json")
    if code and not refused_only(stderr):
        raise unreadable(told(stderr), live.title, [_PODS, _WEBHOOKS])
    refused = forbidden(stderr) if code else set()
    items = items_of(output)
    if _PODS not in refused:
        live.istiod = [_pod(item) for item in items if item.get("kind") == "Pod"]
    if _WEBHOOKS not in refused:
        live.webhooks = [each for item in items if item.get("kind") != "Pod" for each in _webhooks(item)]


def _pod(item: "dict[str, Any]") -> Istiod:
    containers = [each for _, each in maps(at(item, "spec.containers"))]
    main = next((each for each in containers if each.get("name") == "discovery"), containers[0] if containers else {})
    conditions = (each for _, each in maps(at(item, "status.conditions")))
    return Istiod(
        str(at(item, "metadata.namespace") or ""),
        str(at(item, "metadata.name")),
        revision=str(mapping(at(item, "metadata.labels")).get(_REVISION) or "default"),
        image=str(main.get("image") or ""),
        ready=any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions),
    )


def _webhooks(item: "dict[str, Any]") -> "Iterator[Webhook]":
    labels = mapping(at(item, "metadata.labels"))
    for _, each in maps(item.get("webhooks")):
        yield Webhook(
            str(at(item, "metadata.name")),
            str(each.get("name")),
            revision=str(labels.get(_REVISION) or "default"),
            tag=str(labels.get(_TAG) or ""),
            namespaces=mapping(each.get("namespaceSelector")),
            objects=mapping(each.get("objectSelector")),
        )


def unserved(live: "Live", release: "Release") -> "list[tuple[str, str]]":
    """(namespace, its label) of each of the release's namespaces that asks for sidecars, which no webhook is told of.

    Empty where the webhooks could not be read. A pod that says nothing itself is taken.
    """
    if live.webhooks is None:
        return []
    found = []
    for name in sorted({pods.namespace for pods in release.own.pods} | release.own.namespaces.keys()):
        labels = release.namespace_labels(name) or {}
        injection, revision = labels.get(_INJECTION), labels.get(_REVISION)
        if labels.get(_DATAPLANE) == "ambient" or not (injection == "enabled" or (injection is None and revision)):
            continue
        told_apart = {**labels, "kubernetes.io/metadata.name": name}
        if not any(selects(each.namespaces, told_apart) and selects(each.objects, {}) for each in live.webhooks):
            found.append((name, f"{_INJECTION}: enabled" if injection else f"{_REVISION}: {revision}"))
    return found
