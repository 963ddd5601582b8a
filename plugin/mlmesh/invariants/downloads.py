"""Init containers that load something before a classic sidecar is up: MLM507."""

from mlmesh.graph.fields import at, entries, maps
from mlmesh.invariants.rule import PODS, VERSION, Rule, Violation, noted
from mlmesh.model.findings import WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from mlmesh.graph.pods import PodTemplate
    from mlmesh.graph.release import Release
    from mlmesh.model.patches import Operation

NATIVE = "sidecar.istio.io/nativeSidecar"
UID = 1337
OUTBOUND = "traffic.sidecar.istio.io/excludeOutbound"
LOADERS = ("storage-initializer", "aws-cli", "rclone", "minio/mc", "google/cloud-sdk", "alpine/git", "git-sync")
COMMANDS = (
    "hf download", "huggingface-cli download", "aws s3 ", "gsutil ", "gcloud storage ", "curl ", "wget ", "git clone ",
    "snapshot_download", "s3://", "gs://", "hf://", "https://", "azcopy ", "rclone ",
)  # fmt: skip


def inspect(templates: "Sequence[PodTemplate]", _roles: "Sequence[str]", release: "Release") -> None:
    """Note MLM507 for the templates of a document whose sidecar is known to be classic."""
    for template in templates:
        if _is_classic(template, release):
            for violation in _blocked(template):
                release.notes.setdefault("MLM507", []).append(violation)


def init_download_blocked(release: "Release") -> "Iterator[Violation]":
    """An init container loads something before a classic sidecar is up: under Istio's CNI plugin it reaches nothing.

    Why: The CNI plugin redirects a pod's traffic to its proxy before its first container starts, and a classic proxy
    starts after all init containers: what they call, nobody answers. A native sidecar is up before them.

    Bad: an init container `aws s3 cp s3://models/...` beside `sidecar.istio.io/nativeSidecar: "false"`

    Good: `sidecar.istio.io/nativeSidecar: "true"`; or `runAsUser: 1337` on that init container, which goes past it

    Source: istio/istio pkg/kube/inject/webhook.go reorderPod, issue 11130; kserve/kserve pull request 3316.
    """
    return noted(release, "MLM507")


def _is_classic(template: "PodTemplate", release: "Release") -> bool:
    from mlmesh.graph.inventory import INJECT, REVISION
    from mlmesh.graph.membership import namespace_injects

    said = template.annotations.get(NATIVE)
    native = (
        str(said).lower() == "true" if said is not None else release.policy.spec["mesh"]["nativeSidecars"] is not False
    )
    if (
        native
        or template.spec.get("hostNetwork") is True
        or any(str(key).startswith(OUTBOUND) for key in template.annotations)
    ):
        return False
    label = template.labels.get(INJECT, "true" if REVISION in template.labels else None)
    if label is None and str(template.annotations.get(INJECT)).lower() == "false":
        return False
    if label is not None:
        return str(label).lower() == "true"
    return namespace_injects(release.namespace(template.owner), release) is True


def _blocked(template: "PodTemplate") -> "Iterator[Violation]":
    user = at(template.spec, "securityContext.runAsUser")
    for index, container in maps(template.spec.get("initContainers")):
        if container.get("restartPolicy") == "Always" or at(container, "securityContext.runAsUser") == UID:
            continue
        if user == UID and at(container, "securityContext.runAsUser") is None:
            continue
        word = _loading(container)
        if word:
            spec = (template.spec_pointer or template.pointer)[len(template.owner.pointer) :]
            yield Violation(
                template.owner,
                f"{spec}/initContainers/{index}",
                f"init container {container.get('name')} loads from outside ({word.strip()}) before the pod's classic "
                f"sidecar is up: under Istio's CNI plugin its calls are answered by nobody, and the pod never starts",
                f'write annotation {NATIVE}: "true" on the pods (Kubernetes 1.29 on), or runAsUser: {UID} on this init '
                f"container; without the CNI plugin, nothing",
                evidence=f"{template.part} {container.get('name')}",
                operations=_native(template),
            )


def _native(template: "PodTemplate") -> "tuple[Operation, ...]":
    """What has the pods' sidecar be a native one, which is up before every init container."""
    from mlmesh.graph.stamps import additions
    from mlmesh.manifests.patching import split

    place = template.annotations_pointer
    owner = template.owner
    path = split(place[len(owner.pointer) :]) if place else ()
    return tuple(additions("", owner.data, path, {NATIVE: "true"})) if path else ()


def _loading(container: "dict[str, Any]") -> str:
    """The word by which a container is told to load something from outside its pod; empty where none is."""
    image = str(container.get("image") or "").partition("@")[0]
    loader = next((word for word in LOADERS if word in image), "")
    if loader:
        return loader
    words = [str(each) for key in ("command", "args") for each in entries(container.get(key))]
    text = " ".join(words) + " "
    found = next((word for word in COMMANDS if word in text), "")
    return "" if found in ("curl ", "wget ") and not _is_far(text) else found


def _is_far(text: str) -> bool:
    """Whether what is loaded is not the pod's own."""
    return "localhost" not in text and "127.0.0.1" not in text


RULES = (
    Rule(
        "MLM507",
        init_download_blocked,
        severity=WARNING,
        confidence=VERSION,
        judges=(PODS,),
        reads=("Namespace",),
        scope="object",
        fix="unsafe",
    ),
)
