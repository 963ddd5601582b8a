"""``mlmesh check --live``: which objects of a cluster are read, and what of them is context.

Read are the kinds that some rule reads, each listed once. Never Secrets or ConfigMaps; no Pods, ReplicaSets and
Workflows, of which there are very many: their templates tell the same.
"""

import json
import os

from mlmesh.commands.kubectl import forbidden, is_out_of_reach, refused_only, told, unreadable, without_credentials
from mlmesh.graph.fields import at, entries, mapping, maps
from mlmesh.graph.kinds import KINDS, MESH
from mlmesh.invariants.registry import rules
from mlmesh.model.cluster import Live, Reading
from mlmesh.model.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from mlmesh.commands.kubectl import Kubectl

# What the graph reads to resolve names, whichever rule asks.
SHARED = ("Namespace", "Service", "ServiceAccount")
_LEFT_OUT = frozenset(
    {
        ("", "Secret"),
        ("", "DeploymentConfig"),  # no API server has had these for years
        ("extensions", "DaemonSet"),
        ("extensions", "Deployment"),
        ("extensions", "ReplicaSet"),
        ("", "Pod"),
        ("", "PodTemplate"),
        ("apps", "ReplicaSet"),
        ("argoproj.io", "Workflow"),
    }
)
# Objects whose workloads are known by themselves, so that those that their controllers made add nothing.
_KNOWN_MAKERS = frozenset({*KINDS, ("serving.knative.dev", "Revision")})
_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"


def wanted() -> "set[tuple[str, str]]":
    """(API group, kind) of all that some rule reads."""
    names = {kind for rule in rules() for kind in rule.kinds}.union(SHARED)
    mesh = {(group, kind) for group, kind in MESH if kind in names and group != "mlmesh.dev"}
    return (mesh | KINDS.keys()) - _LEFT_OUT


def locate(kubectl: "Kubectl") -> Live:
    """Which cluster kubectl reads, and the namespace that it takes for objects that name none."""
    code, output, _ = kubectl.ask("config", "view", "--minify", "--output=json")
    host = os.environ.get("KUBERNETES_SERVICE_HOST")
    if code:  # no configuration, or not this context: kubectl says so where it is asked for objects
        namespace = ""
        if host and os.path.exists(_ACCOUNT):
            with open(_ACCOUNT, encoding="utf-8") as file:
                namespace = file.read().strip()
        server = f"https://{host}:{os.environ.get('KUBERNETES_SERVICE_PORT', '443')}" if host else ""
        return Live("", server, namespace or "default")
    config = _parsed(output)
    context = next((each for _, each in maps(config.get("contexts"))), {})
    cluster = next((each for _, each in maps(config.get("clusters"))), {})
    server = without_credentials(str(at(cluster, "cluster.server") or ""))
    return Live(
        str(config.get("current-context") or ""), server, str(at(context, "context.namespace") or "") or "default"
    )


def read(kubectl: "Kubectl", live: Live, namespaces: "Sequence[str]") -> "list[dict[str, Any]]":
    """The objects of the cluster, each as plain data without its status; ``live`` is told what was read.

    Where a kind may not be listed in all namespaces, it is in ``namespaces``, the release's. Raises InputError where
    the cluster cannot be reached, and where nothing may be read.
    """
    live.readings = _known_kinds(kubectl, live)
    items = _listed(kubectl, live, live.readings, "--all-namespaces")
    missing = [each for each in live.readings if each.problem == _FORBIDDEN]
    for namespace in namespaces:
        wanting = [each for each in missing if each.namespaced]
        if wanting:
            items += _in_one(kubectl, live, wanting, namespace)
    own = next((each for each in missing if each.kind == "Namespace"), None)
    if own is not None and namespaces:
        items += _by_name(kubectl, live, own, namespaces)
    for each in missing:
        if each.namespaces:
            each.problem = f"{_FORBIDDEN} but in {', '.join(each.namespaces)}"
    if all(each.namespaces == [] for each in live.readings):
        problems = ", ".join(sorted({each.problem for each in live.readings}))
        raise unreadable(problems or "it has none of the kinds that are read", live.title, _names(live.readings))
    by_kind = {(each.group, each.kind): each for each in live.readings}
    for item in items:
        found = by_kind.get(kind_of(item))
        if found is not None:
            found.count += 1
    return [_plain(item) for item in items if kind_of(item) in by_kind and not _is_known_otherwise(item)]


_FORBIDDEN = "forbidden"


def _known_kinds(kubectl: "Kubectl", live: Live) -> list[Reading]:
    """The kinds that are wanted and that the cluster knows; those that it does not are told."""
    code, output, stderr = kubectl.ask("api-resources", "--verbs=list", "--no-headers")
    if code and not output.strip():
        raise unreadable(told(stderr), live.title)
    asked = wanted()
    found: dict[tuple[str, str], Reading] = {}
    for line in output.decode(errors="replace").splitlines():
        words = line.split()  # name, short names (there may be none), API version, namespaced, kind
        if len(words) < 4 or words[-2] not in ("true", "false"):
            continue
        group = words[-3].rpartition("/")[0]
        if (group, words[-1]) in asked:
            resource = f"{words[0]}.{group}" if group else words[0]
            found[group, words[-1]] = Reading(resource, group, words[-1], namespaced=words[-2] == "true")
    for group, kind in sorted(asked - found.keys()):
        if code and group and f" {group}/" in stderr:  # an API server of its own, which does not answer now
            lost = found[group, kind] = Reading(f"{kind}.{group}", group, kind, namespaced=True)
            lost.namespaces, lost.problem = [], "its API does not answer"
    whole = {group for group, _ in asked} - {group for group, _ in found}
    unknown = asked - found.keys()
    live.unknown = sorted(whole) + sorted(
        f"{kind}.{group}".rstrip(".") for group, kind in unknown if group not in whole
    )
    return sorted(found.values(), key=lambda each: each.resource)


def _listed(kubectl: "Kubectl", live: Live, readings: "Sequence[Reading]", where: str) -> "list[dict[str, Any]]":
    """The objects of some kinds, read in one call; each kind that cannot be read is given its problem.

    Where kubectl fails for another reason than that it may not, half of the kinds is asked at a time: a broken
    conversion of one kind must not hide the others.
    """
    asked = [each for each in readings if each.namespaces is None or where != "--all-namespaces"]
    if not asked:
        return []
    code, output, stderr = kubectl.ask("get", ",".join(each.resource for each in asked), where, "--output=json")
    if code and not refused_only(stderr):
        if is_out_of_reach(stderr):
            raise unreadable(told(stderr), live.title)
        if len(asked) > 1:
            half = len(asked) // 2
            return [*_listed(kubectl, live, asked[:half], where), *_listed(kubectl, live, asked[half:], where)]
        asked[0].namespaces, asked[0].problem = [], told(stderr)
        return []
    refused = forbidden(stderr) if code else set()
    for each in asked:
        if each.resource in refused:
            each.namespaces, each.problem = each.namespaces or [], _FORBIDDEN
    return items_of(output)


def _in_one(kubectl: "Kubectl", live: Live, readings: "list[Reading]", namespace: str) -> "list[dict[str, Any]]":
    """What of some kinds may be read in one namespace."""
    before = {each.resource: each.problem for each in readings}
    for each in readings:
        each.problem = ""
    items = _listed(kubectl, live, readings, f"--namespace={namespace}")
    for each in readings:
        if not each.problem:
            each.namespaces = [*(each.namespaces or ()), namespace]
        each.problem = each.problem or before[each.resource]
    return items


def _by_name(kubectl: "Kubectl", live: Live, own: Reading, namespaces: "Sequence[str]") -> "list[dict[str, Any]]":
    """The release's own Namespaces, where all cannot be listed."""
    code, output, stderr = kubectl.ask("get", "namespaces", *namespaces, "--ignore-not-found", "--output=json")
    if code and not refused_only(stderr):
        raise unreadable(told(stderr), live.title, ["namespaces"])
    own.namespaces = [name for name in namespaces if f'namespaces "{name}" is forbidden' not in stderr]
    return items_of(output)


def items_of(output: bytes) -> "list[dict[str, Any]]":
    """The objects of an answer: a List's, or the one that was asked for by its name."""
    if not output.strip():
        return []
    found = _parsed(output)
    return [item for item in entries(found.get("items")) if isinstance(item, dict)] if "items" in found else [found]


def _parsed(output: bytes) -> "dict[str, Any]":
    try:
        return mapping(json.loads(output))
    except ValueError:
        raise InputError(
            "kubectl's answer is no JSON", remedy="is KUBECTL, or kubectl on PATH, the real one? see kubectl version"
        ) from None


def _names(readings: "Sequence[Reading]") -> list[str]:
    return [each.resource for each in readings]


def kind_of(item: "dict[str, Any]") -> "tuple[str, str]":
    """(API group, kind) of an object."""
    return str(item.get("apiVersion")).rpartition("/")[0], str(item.get("kind"))


def _is_known_otherwise(item: "dict[str, Any]") -> bool:
    """Whether an object tells nothing: a workload that was made of another that is read, or a Job that is done."""
    if kind_of(item) not in KINDS:
        return False
    if any(condition.get("status") == "True" for condition in _ends(item)):
        return True
    owners = (owner for _, owner in maps(at(item, "metadata.ownerReferences")) if owner.get("controller") is True)
    return any(kind_of(owner) in _KNOWN_MAKERS for owner in owners)


def _ends(item: "dict[str, Any]") -> "Iterator[dict[str, Any]]":
    found = maps(at(item, "status.conditions")) if item.get("kind") == "Job" else ()
    return (each for _, each in found if each.get("type") in ("Complete", "Failed"))


def _plain(item: "dict[str, Any]") -> "dict[str, Any]":
    """An object as somebody would have applied it, as far as that can be told."""
    metadata = mapping(item.get("metadata"))
    kept = {key: metadata[key] for key in ("name", "namespace", "labels", "annotations") if metadata.get(key)}
    annotations = mapping(kept.get("annotations"))
    applied = "kubectl.kubernetes.io/last-applied-configuration"
    if applied in annotations:
        kept["annotations"] = {key: value for key, value in annotations.items() if key != applied}
    rest = {key: value for key, value in item.items() if key not in ("apiVersion", "kind", "metadata", "status")}
    return {"apiVersion": item.get("apiVersion"), "kind": item.get("kind"), "metadata": kept, **rest}
