"""Hubs and buckets outside the mesh that proxies do not let pods reach: MLM801, 802."""

from mlmesh.graph.fields import at, entries
from mlmesh.graph.hosts import covers
from mlmesh.graph.outside import HUB, MARKS, called
from mlmesh.graph.route import ISTIO
from mlmesh.graph.scopes import Scopes, egress, is_closed, knows
from mlmesh.invariants.rule import ABSENCE, OBJECT, PODS, Rule, Violation
from mlmesh.model.findings import ERROR, WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlmesh.graph.inventory import Pods
    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject
    from mlmesh.model.patches import Operation

# Where the hub sends who downloads a model, by region: huggingface.co/.well-known/meta.json and hub-docs.
STORES = (
    ("cas-server.xethub.hf.co", "transfer.xethub.hf.co"),
    ("cas-server.xethub-eu.hf.co", "transfer.xethub-eu.hf.co"),
)
MORE = ("cdn-lfs.hf.co", "cdn-lfs-us-1.hf.co", "us.aws.cdn.hf.co", "us.gcp.cdn.hf.co")
WILDCARD = "*.hf.co"
OUTBOUND = b"OutboundIPRanges"  # pods with such an annotation call past their proxy
SHOWN = 3


def hub_blocked(release: "Release") -> "Iterator[Violation]":
    """Pods load models from a host outside that nothing registers, and their Sidecar lets out only what is registered.

    Why: Under REGISTRY_ONLY a proxy answers 502, or closes the connection, for every host that is neither a Service nor
    in a ServiceEntry. A server that loads its model from a hub or a bucket then never gets ready.

    Bad: `vllm serve Qwen/Qwen3-8B` in a namespace whose Sidecar has `outboundTrafficPolicy: {mode: REGISTRY_ONLY}`

    Good: beside it a ServiceEntry for huggingface.co and the hosts to which it sends

    Source: istio/istio issue 21579.
    """
    closed = [item for item in release.of(ISTIO, "Sidecar") if is_closed(item)]
    if not closed:
        return
    scopes = Scopes(release)
    entered = [
        (release.namespace(item), str(host), item)
        for item in release.known(ISTIO, "ServiceEntry")
        for host in entries(at(item.data, "spec.hosts"))
    ]
    declared = release.external("hosts")
    for scope in closed:
        hosts = egress(scope)
        missing: dict[str, list[tuple[Pods, str]]] = {}
        for pods in scopes.pods(scope):
            if pods.mentions(OUTBOUND) or not any(map(pods.mentions, MARKS)):
                continue
            for host, word in dict(called(pods.template().spec)).items():
                if not any(covers(each, host) for each in declared) and not _entered(
                    host, pods.namespace, hosts, entered
                ):
                    missing.setdefault(host, []).append((pods, word))
        for host, found in missing.items():
            yield _blocked(scope, host, found, release)


def _entered(host: str, own: str, hosts: list[str], entered: "list[tuple[str, str, KubeObject]]") -> bool:
    """Whether a ServiceEntry that a namespace's proxies know registers a host, a bucket's own name too."""
    for where, name, item in entered:
        shown = entries(at(item.data, "spec.exportTo")) or ["*"]
        seen = "*" in shown or own in shown or ("." in shown and where == own)
        fits = covers(name, host) or name.endswith(f".{host}") or _is_region(name, host)
        if seen and fits and (not hosts or knows(hosts, where, name, own)):
            return True
    return False


def _is_region(name: str, host: str) -> bool:
    """Whether a name is one of Amazon's for the buckets of a region."""
    return host == "s3.amazonaws.com" and name.endswith("amazonaws.com") and "s3" in name


def _blocked(scope: "KubeObject", host: str, found: "list[tuple[Pods, str]]", release: "Release") -> Violation:
    pods, word = found[0]
    names = list(dict.fromkeys(each.title for each, _ in found))
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    namespace = release.namespace(scope)
    wanted = [host, *STORES[0], *MORE] if host == HUB else [host]
    return Violation(
        scope,
        "/spec/outboundTrafficPolicy",
        f"{', '.join(names[:SHOWN])}{more} asks {host} ({word}), which no ServiceEntry registers for {pods.namespace}: "
        f"under REGISTRY_ONLY its proxy lets no such call out",
        f"add kind: ServiceEntry, metadata: {{name: {host.replace('.', '-')}, namespace: {namespace}}}, spec: {{hosts: "
        f"[{', '.join(wanted)}], ports: [{{number: 443, name: tls, protocol: TLS}}], location: MESH_EXTERNAL, "
        f"resolution: DNS}}; where another release has one, write external.hosts: [{host}] into the policy",
        severity=release.weight(namespace),
        evidence=host,
    )


def hub_host_partial(release: "Release") -> "Iterator[Violation]":
    """A ServiceEntry registers the model hub's main host without those to which it sends: downloads fail halfway.

    Why: huggingface.co tells where a model's files are; the files come from storage and CDN hosts under hf.co. Where
    only registered hosts can be called, the names resolve, and the download stops with a timeout or a reset.

    Bad: `hosts: [huggingface.co]`

    Good: `hosts: [huggingface.co, cas-server.xethub.hf.co, transfer.xethub.hf.co, ...]`, or `*.hf.co` beside it

    Source: huggingface/hub-docs pull request 2628, huggingface.co/.well-known/meta.json.
    """
    main = [
        (item, index)
        for item in release.of(ISTIO, "ServiceEntry")
        for index, host in enumerate(entries(at(item.data, "spec.hosts")))
        if host == HUB
    ]
    if not main:
        return
    names = [
        str(host) for item in release.known(ISTIO, "ServiceEntry") for host in entries(at(item.data, "spec.hosts"))
    ]
    names += release.external("hosts")
    missing = min(([host for host in region if not _named(host, names)] for region in STORES), key=len)
    for item, index in main if missing else ():
        yield Violation(
            item,
            f"/spec/hosts/{index}",
            f"{HUB} sends who downloads a model to {' and '.join(missing)}, which no ServiceEntry registers: where "
            f"only registered hosts can be called, a download stops halfway",
            f"add {', '.join((*missing, *MORE))} to the hosts; {WILDCARD} covers them where resolution is NONE or "
            f"DYNAMIC_DNS",
            evidence=" ".join(missing),
            operations=_with(item, missing),
        )


def _named(host: str, names: list[str]) -> bool:
    return any(covers(name, host) for name in names)


def _with(item: "KubeObject", missing: list[str]) -> "tuple[Operation, ...]":
    """The hosts added, where they can be beside the others: not where addresses or endpoints are of one host."""
    if at(item.data, "spec.endpoints") or at(item.data, "spec.addresses") or at(item.data, "spec.workloadSelector"):
        return ()
    if at(item.data, "spec.resolution") in ("NONE", "DYNAMIC_DNS", None):
        return ({"op": "add", "path": "/spec/hosts/-", "value": WILDCARD},)
    return tuple({"op": "add", "path": "/spec/hosts/-", "value": host} for host in (*missing, *MORE))


RULES = (
    Rule(
        "MLM801",
        hub_blocked,
        severity=ERROR,
        confidence=ABSENCE,
        judges=("Sidecar",),
        reads=("ServiceEntry", "Namespace", PODS),
    ),
    Rule(
        "MLM802",
        hub_host_partial,
        severity=WARNING,
        confidence=OBJECT,
        judges=("ServiceEntry",),
        fix="unsafe",
    ),
)
