"""VirtualServices that delegate to others, and what the rules of these have from them.

A rule of a delegate is merged with the rule that leads to it: it has its timeout and its retries, each where it has
none itself (istio/istio pilot/pkg/model/virtualservice.go mergeHTTPRoute). A delegate is one without hosts.
"""

from mlmesh.graph.fields import at, entries, maps
from mlmesh.graph.route import ISTIO
from mlmesh.manifests.objects import KubeObject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mlmesh.graph.release import Release

    # By the namespace and name of a delegate: the objects that lead to it, each with the index of the rule that does.
    Delegating = dict[tuple[str, str], list[tuple[KubeObject, int]]]
    Inherited = dict[str, tuple[Any, KubeObject, str]]  # by field: its value, the object that has it, and its pointer


def delegate(item: KubeObject, rule: "dict[str, Any]", release: "Release") -> tuple[str, str] | None:
    """The namespace and name of the VirtualService that a rule of another delegates to."""
    name = at(rule, "delegate.name")
    if item.kind != "VirtualService" or not isinstance(name, str) or not name:
        return None
    return str(at(rule, "delegate.namespace") or release.namespace(item)), name


def delegating(release: "Release") -> "Delegating":
    """All rules that delegate, in the context too."""
    found: Delegating = {}
    for item in release.known(ISTIO, "VirtualService"):
        for index, rule in maps(at(item.data, "spec.http")):
            to = delegate(item, rule, release)
            if to:
                found.setdefault(to, []).append((item, index))
    return found


def inherited(item: KubeObject, rule: "dict[str, Any]", release: "Release") -> "Inherited":
    """The timeout and the retries that a delegate's rule has from one that leads to it."""
    found: Inherited = {}
    if item.kind != "VirtualService" or entries(at(item.data, "spec.hosts")):
        return found
    for root, index in release.delegating.get((release.namespace(item), item.name), ()):
        above = at(root.data, "spec.http")[index]
        for key in ("timeout", "retries"):
            if above.get(key) is not None and rule.get(key) is None:
                found.setdefault(key, (above[key], root, f"/spec/http/{index}/{key}"))
    return found
