"""Whether the post-renderer has seen a release: MLM003, judged where somebody asks for it."""

from mlmesh.graph.stamps import RENDERED_BY
from mlmesh.invariants.rule import OBJECT, Rule, Violation, noted
from mlmesh.invariants.topics import ANY
from mlmesh.manifests.objects import objects
from mlmesh.model.findings import ERROR
from mlmesh.policy.names import KIND

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mlmesh.graph.release import Release
    from mlmesh.manifests.stream import Document
    from mlmesh.model.patches import Patch

HOOK = "helm.sh/hook"  # Helm 3 passes no hooks to post-renderers


def not_post_rendered(release: "Release") -> "Iterator[Violation]":
    """The post-renderer has not seen an object that it would change. Judged with `mlmesh check --require-stamp` alone.

    Why: some hosts never run a post-renderer, and say nothing: its pods then have sidecars of any size, its LLM routes
    cut answers off, and no rule was asked. What the post-renderer changes carries the annotation
    `mlmesh.dev/rendered-by`, of whatever version; the MeshPolicy leaves it as a ConfigMap.

    Bad: a MeshPolicy in what is about to be applied; a pod template with a role, on an object without the annotation

    Good: the output of `mlmesh-post`. Helm's hooks are let pass: Helm 3 shows them to no post-renderer.

    Source: helm/helm v3 pkg/action/action.go renderResources; hashicorp/terraform-provider-helm data_helm_template.go
    (`postrender` is read, and not run); kubernetes-sigs/kustomize issue 4399.
    """
    return noted(release, "MLM003")


def note_not_rendered(patches: "Iterable[Patch]", documents: "Sequence[Document]", release: "Release") -> None:
    """Note what the post-renderer would change, by patches that were not made, and what carries no stamp of it."""
    reasons: dict[int, dict[tuple[str, str, str, str], str]] = {}
    for patch in patches:
        name = (patch.api_version, patch.kind, patch.namespace, patch.name)
        reasons.setdefault(patch.document, {}).setdefault(name, patch.reason)
    notes = release.notes.setdefault("MLM003", [])
    for index, named in reasons.items():
        document = documents[index]
        for item in objects(document, document.data):
            reason = named.get((item.api_version, item.kind, item.namespace, item.name))
            if reason is None or RENDERED_BY in item.annotations() or HOOK in item.annotations():
                continue
            what = f"it carries no {RENDERED_BY}, and the post-renderer would change it ({reason})"
            if item.kind == KIND:
                what = "the policy is still a MeshPolicy, of which the post-renderer makes a ConfigMap"
            remedy = (
                "let the host run it (helm ... --post-renderer mlmesh-post), or pipe the manifests through mlmesh-post"
            )
            notes.append(Violation(item, "/kind" if item.kind == KIND else "/metadata", what, remedy))
        document.forget()


RULES = (Rule("MLM003", not_post_rendered, severity=ERROR, confidence=OBJECT, judges=(ANY,), scope="object"),)
