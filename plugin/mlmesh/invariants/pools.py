"""Pods of InferencePools that nobody finds, or whose metrics nobody reads: MLM603, MLM610."""

from mlmesh.graph.fields import at, entries, mapping, maps
from mlmesh.graph.membership import injected
from mlmesh.graph.mtls import any_strict, refusing, selecting_of
from mlmesh.graph.newcomers import except_port
from mlmesh.graph.pickers import arguments, option, picked
from mlmesh.graph.pools import POOL_GROUP, pods_of, selector
from mlmesh.graph.ports import Fronts, is_headless
from mlmesh.invariants.rule import ABSENCE, PODS, Rule, Violation
from mlmesh.model.findings import ERROR, WARNING
from mlmesh.model.patches import pointer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlmesh.graph.inventory import Pods
    from mlmesh.graph.pickers import Picked
    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject
    from mlmesh.model.patches import Operation

# Kinds whose pods have the labels of their template, and no other that a selector asks for.
_SAY_ALL_LABELS = ("DaemonSet", "Deployment", "Pod", "ReplicaSet", "StatefulSet")
_OPEN = (15020, 15021, 15090)  # the proxy's own pages take plain text always


def pool_misses_pods(release: "Release") -> "Iterator[Violation]":
    """An InferencePool selects no pods, or asks its pods for a port at which none of them listens.

    Why: the picker has nothing to choose from, and a gateway answers 503.

    Bad: `selector: {matchLabels: {app: llm}}` where the pod templates have `app: llm-server`; targetPorts 8080 where
    they listen on 8000

    Good: labels and port of the pod templates

    Source: kserve/kserve issue 4865.
    """
    for pool in release.of(POOL_GROUP, "InferencePool"):
        namespace = release.namespace(pool)
        if not selector(pool):
            continue
        pods = list(pods_of(pool, release))
        if pods:
            yield from _unheard(pool, pods, release)
            continue
        around = [each for each in release.pods() if each.namespace == namespace]
        serving = [each for each in around if each.role == "inference"]
        # Of an own namespace pods of which nothing is known may be meant, too.
        here = serving or [each for each in around if not each.role and release.owns(namespace)]
        if here:
            told = serving and all(each.kind in _SAY_ALL_LABELS for each in here)
            labels = ", ".join(f"{key}: {value}" for key, value in selector(pool).items())
            yield Violation(
                pool,
                "/spec/selector",
                f"no pod template of namespace {namespace} has the pool's labels ({labels}): its picker has nothing "
                f"to choose from, and requests are answered 503. {here[0].title} "
                f"{'serves models' if serving else 'is'} there",
                f"in matchLabels, labels of the pods that are meant: {', '.join(_labels(here[0]))}",
                severity=release.weight(namespace) if told else WARNING,
                operations=_meant(pool, here) if serving else (),
            )


def _meant(pool: "KubeObject", here: "list[Pods]") -> "tuple[Operation, ...]":
    """The labels of the only pods that can be meant, under the keys by which the pool asks already."""
    wanted = mapping(at(pool.data, "spec.selector.matchLabels"))
    held = {key: here[0].label(key) for key in wanted}
    if len(here) != 1 or not wanted or any(value is None or "*" in value for value in held.values()):
        return ()
    return tuple(
        {"op": "replace", "path": pointer("spec", "selector", "matchLabels", key), "value": held[key]}
        for key in wanted
        if held[key] != str(wanted[key])
    )


def _labels(pods: "Pods") -> list[str]:
    return [pair.replace("=", ": ", 1) for pair in pods.pairs()]


def _unheard(pool: "KubeObject", pods: "list[Pods]", release: "Release") -> "Iterator[Violation]":
    """A pool none of whose ports is one that its pods declare, or speak of anywhere else.

    Declared or not a server may listen: a rank of several listens next to the first one's port, and an argument or a
    variable can say the port.
    """
    numbers = [port.get("number") for _, port in maps(at(pool.data, "spec.targetPorts"))]
    wanted = [number for number in numbers if isinstance(number, int)]
    declared = {number for each in pods for _, number, _ in each.ports}
    if not wanted or not all(each.ports for each in pods) or not declared.isdisjoint(wanted):
        return
    if any(each.mentions(str(number).encode()) for each in pods for number in wanted):
        return
    sure = all(len(each.ports) == 1 or any(name.startswith("http") for name, _, _ in each.ports) for each in pods)
    namespace = release.namespace(pool)
    one = len(wanted) == 1 == len(declared) == len(entries(at(pool.data, "spec.targetPorts")))
    yield Violation(
        pool,
        "/spec/targetPorts",
        f"requests are sent to port {' or '.join(map(str, wanted))} of {pods[0].title}, which declares "
        f"{', '.join(map(str, sorted(declared)))} and speaks of no other: they are answered 503",
        f"in targetPorts, the port on which the model server listens: {' or '.join(map(str, sorted(declared)))}",
        severity=release.weight(namespace) if sure else WARNING,
        operations=({"op": "replace", "path": "/spec/targetPorts/0/number", "value": min(declared)},) if one else (),
    )


def picker_scrape_refused(release: "Release") -> "Iterator[Violation]":
    """A pool's pods take mutual TLS only on the port at which the picker reads their metrics: it picks blindly.

    Why: the picker asks each pod by its address, in plain text, for its queue and its cache, with a sidecar of its own
    too, since no Service has that address. A sidecar under STRICT refuses that.

    Bad: STRICT for injected pods of an InferencePool

    Good: a PeerAuthentication for the pool's pods with `portLevelMtls: {8000: {mode: PERMISSIVE}}`; or a picker with a
    sidecar, and a headless Service with a port `tcp-8000` that makes the pods' addresses known to it

    Source: kubernetes-sigs/gateway-api-inference-extension pull request 2762, issue 1396.
    """
    fronts = None
    for each in picked(release) if any_strict(release) else ():
        pickers = [(pods, words) for pods in each.pods(release) if (words := _words(pods)) is not None]
        for port in _scraped(each, [words for _, words in pickers]):
            for pods in pods_of(each.pool, release):
                policy = refusing(pods, port, release)
                if policy is None:
                    continue
                fronts = Fronts(release) if fronts is None else fronts
                if _knows_addresses(pods, port, fronts) and any(
                    injected(one, release) is not False for one, _ in pickers or [(pods, [])]
                ):
                    continue  # its sidecar may speak mutual TLS to these addresses
                yield _blind(each, pods, port, policy, certain=bool(pickers), release=release)
                break


def _words(pods: "Pods") -> "list[str] | None":
    return arguments(pods) if pods.role == "picker" else None


def _scraped(each: "Picked", words: "list[list[str]]") -> list[int]:
    """The ports at which pods are asked for metrics in plain text: those of the pool, or the one that is said."""
    if any(option(said, "model-server-metrics-scheme") == "https" for said in words):
        return []
    own = [option(said, "model-server-metrics-port") for said in words]
    named = [int(port) for port in own if port.isdigit() and int(port)]
    ports = named or [
        port["number"] for _, port in maps(at(each.pool.data, "spec.targetPorts")) if type(port.get("number")) is int
    ]
    return [port for port in ports if port not in _OPEN]


def _knows_addresses(pods: "Pods", port: int, fronts: Fronts) -> bool:
    """Whether a headless Service makes the pods' addresses known at a port."""
    return any(is_headless(service) and own.get("port") == port for service, _, own in fronts.of(pods))


def _blind(
    each: "Picked", pods: "Pods", port: int, policy: "KubeObject", *, certain: bool, release: "Release"
) -> Violation:
    mine = selecting_of(pods, release)
    exception = f"portLevelMtls: {{{port}: {{mode: PERMISSIVE}}}}"
    if mine:
        remedy = f"add {exception} to the spec of {mine[0].title}: of two that select these pods only the older counts"
    else:
        labels = ", ".join(f"{key}: {value}" for key, value in selector(each.pool).items())
        remedy = (
            f"add: kind: PeerAuthentication, metadata: {{name: {each.pool.name}-metrics, namespace: "
            f"{each.namespace}}}, spec: {{selector: {{matchLabels: {{{labels}}}}}, {exception}}}"
        )
    found = Violation(
        each.pool,
        "/spec/targetPorts",
        f"the picker {each.name} reads metrics of {pods.title} at port {port} in plain text, where {policy.title} "
        "takes mutual TLS only: it learns nothing of queues and caches, and picks blindly",
        remedy,
        severity=release.weight(each.namespace) if certain else WARNING,
        evidence=f"{pods.title} {port}",
    )
    except_port(found, pods, port, selector(each.pool), name=f"{each.pool.name}-metrics", release=release)
    return found


RULES = (
    Rule(
        "MLM603",
        pool_misses_pods,
        severity=ERROR,
        confidence=ABSENCE,
        judges=("InferencePool",),
        reads=(PODS,),
        fix="unsafe",
    ),
    Rule(
        "MLM610",
        picker_scrape_refused,
        severity=ERROR,
        confidence=ABSENCE,
        judges=("InferencePool",),
        reads=("Namespace", "PeerAuthentication", "Service", PODS),
        fix="unsafe",
    ),
)
