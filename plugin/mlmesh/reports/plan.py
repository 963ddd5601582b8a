"""A plan as a person reads it: what changes and why, what stays, and what the sidecars cost."""

from math import inf

from mlmesh.model.cost import together
from mlmesh.model.masking import shown
from mlmesh.model.patches import unescape
from mlmesh.model.units import cpu_text, memory_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlmesh.model.cost import Cost, Total
    from mlmesh.model.patches import Operation, Patch
    from mlmesh.model.pods import PodRole

SHOWN = 200  # characters of one value


def plan_text(pods: "Sequence[PodRole]", patches: "Sequence[Patch]", cost: "Cost") -> str:
    """Every change with its reason and operations, then the pods that get none, and why, and what sidecars cost."""
    changed = {(patch.document, patch.kind, patch.namespace, patch.name) for patch in patches}
    left = [pod for pod in pods if (pod.document, pod.kind, pod.namespace, pod.name) not in changed]
    blocks = [f"{_counted(len(patches), 'object')} to change, {_counted(len(pods), 'pod template')}"]
    for patch in patches:
        lines = [f"{_title(patch)} (document {patch.document})", f"  why: {patch.reason}"]
        lines += [f"  {_operation(operation)}" for operation in patch.operations]
        blocks.append("\n".join(lines))
    if left:
        lines = [f"  {_title(pod)}: {f'{pod.role}: {pod.reason}' if pod.role else 'no role'}" for pod in left]
        blocks.append("\n".join(["Pods left as they are:", *lines]))
    disputed = [pod for pod in pods if pod.conflict]
    if disputed:
        lines = [f"  {_title(pod)}: {pod.role}, though {pod.conflict}" for pod in disputed]
        blocks.append("\n".join(["Roles of which signals disagree:", *lines]))
    for title, totals in (
        ("Sidecars of this release:", cost.always),
        ("Sidecars on each node (DaemonSets):", cost.per_node),
        ("Sidecars of each run (CronJobs, and templates that others run):", cost.per_run),
    ):
        if totals:
            blocks.append("\n".join([title, *_table(totals)]))
    return "\n\n".join(blocks) + "\n"


def _table(totals: "dict[str, Total]") -> list[str]:
    """What each role's sidecars request and may use, and all together; a limit that is not set is told as none."""
    rows = [("role", "pods", "CPU", "limit", "memory", "limit")]
    for name, total in (*totals.items(), *([("all", together(totals))] if len(totals) > 1 else [])):
        rows.append(
            (
                name,
                str(total.pods),
                cpu_text(total.cpu),
                "none" if total.cpu_limit == inf else cpu_text(total.cpu_limit),
                memory_text(total.memory),
                "none" if total.memory_limit == inf else memory_text(total.memory_limit),
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  " + "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows]


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _title(item: "Patch | PodRole") -> str:
    part = getattr(item, "part", "")
    name = f"{item.namespace}/{item.name}" if item.namespace else item.name
    return f"{item.kind} {name}" + (f" ({part})" if part else "")


def _operation(operation: "Operation") -> str:
    if operation["op"] == "remove":
        return f"remove  {operation['path']}"
    value = shown([unescape(token) for token in operation["path"].split("/")[1:]], operation["value"])
    told = value if len(value) <= SHOWN else f"{value[:SHOWN]}... ({len(value)} characters: see --format json)"
    return f"{operation['op']:<7} {operation['path']} = {told}"
