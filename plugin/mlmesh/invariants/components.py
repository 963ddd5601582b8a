"""Components of the policy that select nothing: MLM513.

A component's pods can be another release's, so nothing is said of one whose namespace has no pod here, or only pods
that other components select.
"""

from mlmesh.invariants.rule import ABSENCE, Rule, Violation
from mlmesh.model.findings import WARNING
from mlmesh.model.patches import pointer
from mlmesh.policy.names import KIND

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlmesh.graph.release import Release


def component_selects_nothing(release: "Release") -> "Iterator[Violation]":
    """A component of the policy selects no pod, though its namespace has a pod that none selects.

    Why: A component that selects nothing gives no pod its role: the sizes, timeouts and rules that were meant for it
    bind nobody.

    Bad: a selector `app: llm` where the namespace's only Deployment has `app: llm-server`

    Good: the labels of the pod templates that are meant

    Source: docs/policy.md.
    """
    item = release.policy.carrier
    if item is None or item.kind != KIND:
        return
    for name, component in item.data["spec"].get("components", {}).items():
        selector, namespace = component.get("selector"), component.get("namespace")
        if not selector or name in release.selecting:
            continue
        elsewhere = release.selected_elsewhere.get(name)
        if elsewhere is not None:
            found = f"selects no pod in namespace {namespace}; pods with its labels are in {elsewhere}"
            remedy = f"set its namespace to {elsewhere}, if those pods are meant"
        elif release.unselected if namespace is None else namespace in release.unselected:
            where = "this release" if namespace is None else f"namespace {namespace}"
            found = f"selects no pod, and {where} has pods that no component selects"
            remedy = "set its selector to labels of the pod templates that are meant"
        else:
            continue
        labels = ", ".join(f"{key}={value}" for key, value in selector.items())
        yield Violation(
            item,
            pointer("spec", "components", name, "selector"),
            f"component {name} ({labels}) {found}",
            f"{remedy}; if its pods are another release's, nothing",
            evidence=name,
        )


RULES = (
    Rule(
        "MLM513",
        component_selects_nothing,
        severity=WARNING,
        confidence=ABSENCE,
        judges=(KIND,),
        scope="set",
    ),
)
