"""Floor 7: the ResourceList of a KRM function, by which kustomize and kpt call the post-renderer.

Specification: kubernetes-sigs/kustomize cmd/config/docs/api-conventions/functions-spec.md. The objects are the list's
``items``; ``functionConfig`` is a policy; warnings leave in ``results``.
"""

from mlmesh.model.patches import Patch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from mlmesh.manifests.stream import Document
    from mlmesh.model.findings import Finding
    from mlmesh.model.patches import Operation


def function_config(document: "Document") -> list[tuple[str, bytes]]:
    """The function's own configuration as a policy file; none where the caller gives none."""
    from json import dumps

    config = document.data.get("functionConfig")
    return [("functionConfig", dumps(config).encode())] if config else []


def results(document: "Document", findings: "Sequence[Finding]") -> Patch:
    """The patch that adds the findings to the list's ``results``, behind those of earlier functions."""
    added = [_result(finding) for finding in findings]
    operations: list[Operation] = [{"op": "add", "path": "/results", "value": added}]
    if isinstance(document.data.get("results"), list):
        operations = [{"op": "add", "path": "/results/-", "value": result} for result in added]
    return Patch(
        document=document.index,
        api_version=document.data["apiVersion"],
        kind=document.kind,
        namespace="",
        name="",
        reason="findings for the caller",
        operations=operations,
    )


def _result(finding: "Finding") -> "dict[str, Any]":
    reference = {"apiVersion": finding.api_version, "kind": finding.kind, "name": finding.name}
    if finding.namespace:
        reference["namespace"] = finding.namespace
    # /items/3/spec/http/0/timeout is spec.http[0].timeout of its item
    path = "".join(f"[{part}]" if part.isdecimal() else f".{part}" for part in finding.pointer.split("/")[3:])
    return {
        "message": f"{finding.code} {finding.rule}: {finding.message}. Remedy: {finding.remedy}",
        "severity": finding.severity,
        "resourceRef": reference,
        "field": {"path": path.lstrip(".").replace("~1", "/").replace("~0", "~")},
        "tags": {"code": finding.code},
    }
