"""Floor 8: the whole flow on one page: read, settle the policy, patch, write, judge."""

from functools import cache

from mlmesh.endpoints.routes import is_route
from mlmesh.endpoints.write import derive
from mlmesh.graph.pods import pod_templates
from mlmesh.graph.release import Release, is_read, is_workload, may_hold_policy
from mlmesh.invariants.registry import inspect, run
from mlmesh.manifests import stream as manifests
from mlmesh.manifests.changes import Changes
from mlmesh.manifests.objects import objects
from mlmesh.manifests.stream import RESOURCE_LIST
from mlmesh.policy.settings import is_policy, load
from mlmesh.sidecars.stage import equip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mlmesh.endpoints.serves import Servers
    from mlmesh.manifests.objects import KubeObject
    from mlmesh.model.findings import Finding
    from mlmesh.model.patches import Patch
    from mlmesh.model.pods import PodRole

    Routes = tuple[manifests.Document, list[KubeObject], bool]  # of a document, and whether more of it is to be done

EMPTY = b"# mlmesh-post: the input was empty\n"


class Result:
    """What one run gives.

    ``output`` is the stream in slices, to be written as they are; ``patches`` what changed in it and why, and ``pods``
    every pod template with its role, both for a plan only; ``findings`` what the invariants say of the patched release,
    ``graph`` is that release.
    """

    __slots__ = ("findings", "graph", "output", "patches", "pods", "stream")

    def __init__(
        self,
        stream: manifests.Stream,
        output: "list[bytes | memoryview]",
        patches: "list[Patch]",
        pods: "list[PodRole]",
        findings: "list[Finding]",
        *,
        graph: Release,
    ) -> None:
        self.stream = stream
        self.output = output
        self.patches = patches
        self.pods = pods
        self.findings = findings
        self.graph = graph

    @property
    def failed(self) -> bool:
        """Whether a finding is an error: then the output must not be passed on."""
        return any(finding.severity == "error" for finding in self.findings)


def post_render(
    data: bytes,
    policies: "Sequence[tuple[str, bytes]]" = (),
    *,
    context: "Sequence[tuple[str, bytes]]" = (),
    namespace: str = "",
    require_policy: bool = False,
    as_it_is: bool = False,
    require_stamp: bool = False,
    planned: bool = True,
) -> Result:
    """Post-render a stream of manifests (UTF-8 YAML or JSON) with policy files (name, content) over its own policy.

    ``namespace`` is the release's, for objects that name none; ``context`` are manifests (name, content) of what there
    is besides, only looked at. ``as_it_is``: nothing is changed, and the findings are of the stream as it came; with
    ``require_stamp`` they say, too, what was not post-rendered. Without ``planned`` the result has neither patches nor
    pods, which takes a tenth less memory. Raises InputError and DefectError; never returns half a stream.
    """
    stream = manifests.read(data)
    resource_list = stream.documents[0] if stream.dialect == RESOURCE_LIST else None
    if resource_list:
        from mlmesh import krm

        policies = [*krm.function_config(resource_list), *policies]
    carriers = [
        item
        for document in stream.documents
        if may_hold_policy(document)
        for item in objects(document, document.data)
        if is_policy(item)
    ]
    policy = load(carriers, policies, namespace=namespace, required=require_policy)

    release = Release(policy, stream.documents, as_it_is=as_it_is)
    if context:
        from mlmesh.graph.context import read_context
        from mlmesh.roles import roles_elsewhere

        read_context(release.context, context, roles_elsewhere(policy))
    changes = Changes(resource_list, idle=as_it_is, planned=planned)
    workloads, routes, guards = _objects(stream, release, changes)

    @cache  # most runs have no route that asks
    def servers() -> "Servers":
        from mlmesh.endpoints.serves import Servers

        return Servers(release, workloads, context)

    _derive(routes, release, servers, changes)
    _guard(guards, release, changes)
    pods = _equip(workloads, release, changes, planned=planned)

    patches = changes.all()
    if require_stamp:
        from mlmesh.invariants.rendered import note_not_rendered

        note_not_rendered(changes.untaken, stream.documents, release)
    findings = run(release)
    if resource_list and findings and not as_it_is:
        from mlmesh import krm

        patches.append(krm.results(resource_list, findings))
        changes.add(resource_list, patches[-1:])
        changes.written(resource_list)
    empty = not stream.documents and not data.strip()
    return Result(stream, [EMPTY] if empty else stream.write(changes.texts), patches, pods, findings, graph=release)


def _objects(
    stream: manifests.Stream, release: Release, changes: Changes
) -> "tuple[list[manifests.Document], list[Routes], list[Routes]]":
    """Add all that is no workload to the release. Three kinds of documents are left: with workloads, with routes, and
    with DestinationRules that are to have a budget.

    Routes are derived when all that they lead to was read, budgets when routes are; workloads come last: how a pod
    drains depends on the routes to it. A List can hold all of them.
    """
    workloads = []
    routes = []
    guards: list[Routes] = []
    budgeted = bool(release.policy.spec["endpoints"].get("retryBudget"))
    carrier = release.policy.carrier
    for document in filter(is_read, stream.documents):
        if is_workload(document):
            workloads.append(document)
            continue
        if release.add_account(document):
            continue
        items = list(objects(document, document.data))
        if carrier is not None and carrier.document is document:
            from mlmesh.graph.carrier import carry

            changes.add(document, list(carry(items, release.policy)))
        routed, with_pods = any(map(is_route, items)), any(map(pod_templates, items))
        guarding = (budgeted or document.mentions(b"retryBudget")) and any(
            item.kind == "DestinationRule" for item in items
        )
        if routed or with_pods or guarding:
            items = changes.patched(document)
            if routed:
                routes.append((document, items, with_pods or guarding))
            if guarding:
                guards.append((document, items, with_pods))
            if with_pods:
                workloads.append(document)
        else:
            items = changes.written(document)
        release.add(items)
    return workloads, routes, guards


def _derive(routes: "list[Routes]", release: Release, servers: "Callable[[], Servers]", changes: Changes) -> None:
    """Derive timeouts and retries into the routes of documents; the release holds their objects."""
    for document, items, with_pods in routes:
        found = list(derive(items, release, servers))
        changes.add(document, found)
        after = changes.patched(document) if with_pods else changes.written(document)
        if found:
            for item, written in zip(items, after, strict=True):
                item.renew(written.data)


def _guard(guards: "list[Routes]", release: Release, changes: Changes) -> None:
    """Derive retry budgets into the DestinationRules of documents; the release holds their objects."""
    for document, items, with_pods in guards:
        from mlmesh.endpoints.budget import derive_budgets

        found = list(derive_budgets(items, release))
        changes.add(document, found)
        after = changes.patched(document) if with_pods else changes.written(document)
        if found:
            for item, written in zip(items, after, strict=True):
                item.renew(written.data)


def _equip(
    workloads: "list[manifests.Document]", release: Release, changes: Changes, *, planned: bool
) -> "list[PodRole]":
    """Write the sidecars of the workloads of documents, and add these to the release."""
    pods: list[PodRole] = []
    for document in workloads:
        templates = [pod for item in objects(document, document.data) for pod in pod_templates(item)]
        sized, found = equip(templates, release)
        if planned:
            pods += sized
        changes.add(document, found)
        items = changes.written(document)
        if document in changes:
            templates = [pod for item in items for pod in pod_templates(item)]
        roles = [each.role for each in sized]
        release.add_pods(templates, roles)
        inspect(document, templates, roles, release)
    return pods
