"""What a pod's own spec says against its sidecar: MLM314, 315."""

from mlmesh.graph.fields import at, maps
from mlmesh.graph.membership import has_sidecar
from mlmesh.graph.mtls import refusing
from mlmesh.invariants.rule import CONTRADICTION, OBJECT, PODS, Rule, Violation, noted
from mlmesh.model.patches import pointer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.graph.inventory import Pods
    from mlmesh.graph.pods import PodTemplate
    from mlmesh.graph.release import Release

UID = 1337
REWRITE = "sidecar.istio.io/rewriteAppHTTPProbers"
_FALSE = ("0", "f", "false")
_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
_PROXYS = ("istio-proxy", "istio-init", "istio-validation")


def inspect(templates: "list[PodTemplate]", _roles: list[str], release: "Release") -> None:
    """Note MLM314 and MLM315 for the templates of a document, whose pods the release has taken last."""
    for template, pods in zip(templates, release.own.pods[-len(templates) :], strict=True):
        if not has_sidecar(pods, release):
            continue
        for code, found in (("MLM314", _as_proxy(template)), ("MLM315", _unprobed(template, pods, release))):
            for violation in found:
                release.notes.setdefault(code, []).append(violation)


def uid_1337(release: "Release") -> "Iterator[Violation]":
    """A container runs as user or group 1337, the proxy's: what it sends goes past its sidecar.

    Why: What user or group 1337 sends is taken for the proxy's own and left alone. Such an application has no identity:
    peers under STRICT refuse it, and no timeout or rule of the mesh holds for it.

    Bad: `runAsUser: 1337` on the application's container, or on the pod

    Good: any other number; an init container that loads a model before the proxy is up may have it

    Source: istio/istio pkg/config/analysis/msg/messages.yaml (IST0144), kserve/kserve pull request 3316.
    """
    return noted(release, "MLM314")


def probe_not_rewritten(release: "Release") -> "Iterator[Violation]":
    """A pod under STRICT has the rewriting of its probes switched off: the kubelet is refused, and it is never ready.

    Why: The kubelet has no certificate of the mesh. Its probes get through because the injector has them sent to the
    agent; without that they meet a port that takes mutual TLS only.

    Bad: `sidecar.istio.io/rewriteAppHTTPProbers: "false"` where a PeerAuthentication is STRICT

    Good: leave the annotation out

    Source: istio/istio pkg/kube/inject/app_probe.go, issue 41010.
    """
    return noted(release, "MLM315")


def _as_proxy(template: "PodTemplate") -> "Iterator[Violation]":
    whole = template.spec.get("securityContext")
    containers = [
        (index, each) for index, each in maps(template.spec.get("containers")) if each.get("name") not in _PROXYS
    ]
    for index, container in containers:
        for field in ("runAsUser", "runAsGroup"):
            own = at(container, f"securityContext.{field}")
            if UID not in (own, at(whole, field) if own is None else None):
                continue
            spec = (template.spec_pointer or template.pointer)[len(template.owner.pointer) :]
            place = (
                f"{spec}/securityContext/{field}"
                if own is None
                else (f"{spec}/containers/{index}/securityContext/{field}")
            )
            yield Violation(
                template.owner,
                place,
                f"container {container.get('name')} runs as {'user' if field == 'runAsUser' else 'group'} {UID}, the "
                f"proxy's: what it sends goes past the sidecar, in plain text and without identity, and peers under "
                f"STRICT refuse it",
                f"set {field} to another number, or leave it out",
                evidence=f"{template.part} {container.get('name')}",
            )
            break


def _unprobed(template: "PodTemplate", pods: "Pods", release: "Release") -> "Iterator[Violation]":
    if str(template.annotations.get(REWRITE, "")).lower() not in _FALSE or template.annotations_pointer is None:
        return
    for _, container in maps(template.spec.get("containers")):
        for name in _PROBES:
            for kind in ("httpGet", "grpc"):
                port = _number(at(container, f"{name}.{kind}.port"), container)
                policy = None if port is None else refusing(pods, port, release)
                if policy is not None:
                    place = (template.annotations_pointer + pointer(REWRITE))[len(template.owner.pointer) :]
                    yield Violation(
                        template.owner,
                        place,
                        f"the probes are not rewritten, and {policy.title} takes mutual TLS only: the kubelet's {name} "
                        f"of container {container.get('name')} at port {port} is refused, "
                        + (
                            "and its pods are never ready" if name == "readinessProbe" else "and its pods are restarted"
                        ),
                        "take the annotation away",
                        evidence=template.part,
                        operations=({"op": "remove", "path": place},),
                    )
                    return


def _number(port: object, container: "dict[str, Any]") -> int | None:
    if isinstance(port, int):
        return port
    for _, each in maps(container.get("ports")):
        if each.get("name") == port and isinstance(each.get("containerPort"), int):
            return int(each["containerPort"])
    return None


RULES = (
    Rule("MLM314", uid_1337, severity="error", confidence=OBJECT, judges=(PODS,), reads=("Namespace",), scope="object"),
    Rule(
        "MLM315",
        probe_not_rewritten,
        severity="error",
        confidence=CONTRADICTION,
        judges=(PODS,),
        reads=("PeerAuthentication", "Namespace"),
        fix="safe",
    ),
)
