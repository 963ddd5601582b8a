"""Floor 8: the whole flow on one page: read, settle the policy, patch, write, judge."""

from mlmesh import krm
from mlmesh.endpoints.routes import derive
from mlmesh.graph.carrier import carry
from mlmesh.graph.release import Release, is_read, may_hold_policy
from mlmesh.invariants.registry import run
from mlmesh.manifests import stream as manifests
from mlmesh.manifests.editor import edit
from mlmesh.manifests.objects import objects
from mlmesh.manifests.stream import RESOURCE_LIST
from mlmesh.policy.settings import is_policy, load
from mlmesh.sidecars.resources import size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlmesh.model.findings import Finding
    from mlmesh.model.patches import Patch
    from mlmesh.model.pods import PodRole

EMPTY = b"# mlmesh-post: the input was empty\n"


class Result:
    """What one run gives.

    ``output`` is the stream in slices, to be written as they are; ``patches`` what changed in it and why; ``pods``
    every pod template with its role; ``findings`` what the invariants say of the patched release.
    """

    __slots__ = ("findings", "output", "patches", "pods", "stream")

    def __init__(
        self,
        stream: manifests.Stream,
        output: "list[bytes | memoryview]",
        patches: "list[Patch]",
        pods: "list[PodRole]",
        findings: "list[Finding]",
    ) -> None:
        self.stream = stream
        self.output = output
        self.patches = patches
        self.pods = pods
        self.findings = findings

    @property
    def failed(self) -> bool:
        """Whether a finding is an error: then the output must not be passed on."""
        return any(finding.severity == "error" for finding in self.findings)


def post_render(
    data: bytes,
    policies: "Sequence[tuple[str, bytes]]" = (),
    *,
    namespace: str = "",
    require_policy: bool = False,
) -> Result:
    """Post-render a stream of manifests (UTF-8 YAML or JSON) with policy files (name, content) over its own policy.

    ``namespace`` is the release's, for objects that name none. Raises InputError and DefectError; never returns half a
    stream.
    """
    stream = manifests.read(data)
    resource_list = stream.documents[0] if stream.dialect == RESOURCE_LIST else None
    if resource_list:
        policies = [*krm.function_config(resource_list), *policies]
    carriers = [
        item
        for document in stream.documents
        if may_hold_policy(document)
        for item in objects(document, document.data)
        if is_policy(item)
    ]
    policy = load(carriers, policies, namespace=namespace, required=require_policy)

    # Document by document, so that only one is held as a tree; the release keeps what the invariants read.
    release = Release(policy)
    texts: dict[int, bytes] = {}
    pods: list[PodRole] = []
    patches: list[Patch] = []
    for document in filter(is_read, stream.documents):
        items = list(objects(document, document.data))
        sized, sizes = size(items, release)
        changes = [*carry(items, policy), *sizes, *derive(items, policy)]
        if changes:
            operations = [operation for patch in changes for operation in patch.operations]
            texts[document.index], reread = edit(document, operations)
            items = list(objects(document, reread))
        release.add(items)
        if document is not resource_list:  # that one is written again, with its results
            document.forget()
        pods += sized
        patches += changes

    findings = run(release)
    if resource_list and findings:
        patches.append(krm.results(resource_list, findings))
        operations = [operation for patch in patches if patch.document == 0 for operation in patch.operations]
        texts[0], _ = edit(resource_list, operations)
    empty = not stream.documents and not data.strip()
    return Result(stream, [EMPTY] if empty else stream.write(texts), patches, pods, findings)
