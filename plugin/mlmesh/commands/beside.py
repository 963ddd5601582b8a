"""A stream beside a cluster: what of the cluster is context to it, and what its findings weigh then."""

import json

from mlmesh.commands.injector import read_injector, unserved
from mlmesh.commands.inputs import Inputs
from mlmesh.commands.kubectl import Kubectl
from mlmesh.commands.live import kind_of, locate, read
from mlmesh.graph.fields import mapping
from mlmesh.graph.kinds import KINDS
from mlmesh.invariants.registry import rules
from mlmesh.invariants.rule import ABSENCE, PODS
from mlmesh.manifests import stream as manifests
from mlmesh.manifests.objects import objects
from mlmesh.model.cluster import Live
from mlmesh.model.errors import InputError
from mlmesh.model.findings import ERROR, WARNING
from mlmesh.policy.settings import is_policy, load
from mlmesh.reports.live import live_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from mlmesh.model.cluster import Reading
    from mlmesh.model.findings import Finding
    from mlmesh.post_renderer import Result

SYSTEM = ("kube-system", "kube-public", "kube-node-lease")  # Kubernetes' own: looked at, not judged
_SOURCE = b"# Source: "  # Helm's, of each document that it renders
_POLICY = "helm.sh/resource-policy"
# What JSON may hold as it is and YAML takes for a line break, or for nothing that may be there.
_ESCAPED = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), 0x2028, 0x2029, 0xFEFF, 0xFFFE, 0xFFFF)}


class Cluster:
    """The cluster beside one run of ``mlmesh check``. ``live`` is what there is to tell of it, ``context`` its objects.

    Raises InputError, as its methods do, where there is no kubectl.
    """

    def __init__(self, kubeconfig: str, context: str) -> None:
        self._kubectl = Kubectl(kubeconfig, context)
        self.live = locate(self._kubectl)
        self.context: list[tuple[str, bytes]] = []
        self._whole = False

    def read(self, inputs: Inputs | None, policies: "Sequence[tuple[str, bytes]]", namespace: str) -> Inputs:
        """Read the cluster. What is to be judged: the same inputs, or where there are none the cluster's objects.

        ``live.namespace`` is then the release's: ``namespace``, what a policy says, or what kubectl would take.
        """
        held = None
        if inputs is not None:
            try:
                held = Held(inputs.stream, policies, namespace=namespace, default=self.live.namespace)
            except InputError as error:
                inputs.blame(error)
                raise
        self.live.namespace = held.namespace if held else namespace or self.live.namespace
        items = read(self._kubectl, self.live, held.namespaces if held else [self.live.namespace])
        read_injector(self._kubectl, self.live)
        self._whole = True
        if inputs is None or held is None:
            self.context = context(filter(is_system, items), self.live)
            return Inputs.of(*files((item for item in items if not is_system(item)), self.live))
        self.context = context(held.without(items), self.live)
        return inputs

    def weigh(self, result: "Result") -> None:
        """Give the findings of a run the weight that they have beside what was read, and tell whom nobody injects."""
        soften(result.findings, self.live, result.graph.policy.spec.get("invariants", {}).get("severity", {}))
        self.live.unserved = unserved(self.live, result.graph)

    @property
    def told(self) -> Live | None:
        """What there is to tell; nothing where reading failed."""
        return self.live if self._whole else None

    def text(self) -> str:
        """The same in lines."""
        return live_text(self.live) if self._whole else ""


class Held:
    """What a stream holds, by names: ``namespaces`` are those that it is about, ``namespace`` that of the release."""

    def __init__(
        self, data: bytes, policies: "Sequence[tuple[str, bytes]]", *, namespace: str = "", default: str = ""
    ) -> None:
        """``default`` counts where neither ``namespace`` nor a policy names the release's. Raises InputError."""
        items = [item for each in manifests.read(data).documents for item in objects(each, each.data)]
        self._rendered = data.startswith(_SOURCE) or b"\n" + _SOURCE in data
        settings = load([item for item in items if is_policy(item)], policies, namespace=namespace)
        self.namespace = settings.namespace or default
        self._names = {(item.group, item.kind, item.namespace, item.name) for item in items}
        places = {item.name if item.kind == "Namespace" else item.namespace or self.namespace for item in items}
        self.namespaces = sorted({*places, self.namespace} - {""})

    def without(self, items: "Sequence[dict[str, Any]]") -> "list[dict[str, Any]]":
        """The objects of a cluster that stay as they are beside the stream: those that it has, too, do not.

        Of a release that Helm rendered neither do those that it had before: Helm deletes them.
        """
        twins = list(filter(self._holds, items))
        upgraded = {_release(item) for item in twins if self._rendered} - {None}
        known = set(map(id, twins))
        return [
            item
            for item in items
            if id(item) not in known
            and (_release(item) not in upgraded or mapping(item["metadata"].get("annotations")).get(_POLICY) == "keep")
        ]

    def _holds(self, item: "dict[str, Any]") -> bool:
        metadata = item["metadata"]
        place, name = metadata.get("namespace", ""), metadata.get("name")
        # What names no namespace in the stream is the release's; of a kind that has none, it may name one all the same.
        places = ("", self.namespace) if place in ("", self.namespace) else (place,)
        return any((*kind_of(item), each, name) in self._names for each in places)


def _release(item: "dict[str, Any]") -> tuple[str, str] | None:
    """Name and namespace of the release that an object of a cluster is of."""
    annotations = mapping(item["metadata"].get("annotations"))
    name = annotations.get("meta.helm.sh/release-name")
    return (str(name), str(annotations.get("meta.helm.sh/release-namespace"))) if name else None


def context(items: "Iterable[dict[str, Any]]", live: "Live") -> "list[tuple[str, bytes]]":
    """Objects as context, by kind, so that an error says which cannot be read; each a document of its own.

    One List of very many would be held as one tree, and read again as a whole for each pod that a rule asks for.
    """
    kinds: dict[tuple[str, str], list[bytes]] = {}
    for item in items:
        kinds.setdefault(kind_of(item), []).append(lines(item))
    names = {(each.group, each.kind): each.resource for each in live.readings}
    return [(f"{names[kind]} of the cluster", b"---\n".join(found)) for kind, found in kinds.items()]


def files(items: "Iterable[dict[str, Any]]", live: "Live") -> "tuple[list[str], list[bytes]]":
    """Objects as files of their own, by names that tell which they are."""
    names = {(each.group, each.kind): each.resource for each in live.readings}
    found = {}
    for item in items:
        metadata = item["metadata"]
        place = [metadata["namespace"]] if metadata.get("namespace") else []
        found["/".join(["cluster", *place, names[kind_of(item)], metadata["name"]])] = text(item, indent=2)
    return list(found), list(found.values())


def lines(item: "dict[str, Any]") -> bytes:
    """An object as YAML whose kind is told without parsing it, and whose fields are JSON."""
    head = ("apiVersion", "kind")
    plain = "".join(f"{key}: {item[key]}\n" for key in head).encode()
    return plain + b"".join(text(key).rstrip() + b": " + text(item[key]) for key in item if key not in head)


def is_system(item: "dict[str, Any]") -> bool:
    """Whether an object is Kubernetes' own."""
    metadata = item["metadata"]
    return (metadata["name"] if item["kind"] == "Namespace" else metadata.get("namespace")) in SYSTEM


def text(data: object, indent: int | None = None) -> bytes:
    """Data as JSON that is YAML, too."""
    return (json.dumps(data, ensure_ascii=False, indent=indent).translate(_ESCAPED) + "\n").encode()


def soften(findings: "Iterable[Finding]", live: "Live", severities: "Mapping[str, str]") -> None:
    """Make warnings of errors that say that something is absent, where it may be among what could not be read.

    A severity that the policy sets stays.
    """
    partial = [each for each in live.readings if each.namespaces is not None]
    if not partial:
        return
    kinds = {rule.code: {*rule.kinds, "Service"} for rule in rules()}
    for finding in findings:
        if finding.severity != ERROR or finding.confidence != ABSENCE or finding.code in severities:
            continue
        missed = [each.resource for each in partial if _matters(each, finding, kinds[finding.code])]
        if missed:
            finding.severity = WARNING
            finding.message += f" (a warning, since not all of the cluster could be read: {', '.join(missed)})"


def _matters(reading: "Reading", finding: "Finding", kinds: set[str]) -> bool:
    if finding.namespace in (reading.namespaces or ()):
        return False
    return reading.kind in kinds or (PODS in kinds and (reading.group, reading.kind) in KINDS)
