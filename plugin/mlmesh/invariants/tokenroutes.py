"""Rules of VirtualServices by the claims of a token that nobody has checked: MLM961."""

from mlmesh.graph.fields import at, entries, mapping, maps
from mlmesh.graph.gateways import Gateways, selector
from mlmesh.graph.route import ISTIO
from mlmesh.graph.routes import route_of
from mlmesh.invariants.rule import ABSENCE, PODS, Rule, Violation
from mlmesh.model.findings import ERROR, INFO, WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlmesh.graph.inventory import Pods
    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject

_CLAIMS = ("@request.auth.claims.", "@request.auth.claims[")


def claim_without_authentication(release: "Release") -> "Iterator[Violation]":
    """A VirtualService chooses by a token's claims, and no RequestAuthentication has its gateway read tokens.

    Why: A gateway knows a token's claims only where a RequestAuthentication with `jwtRules` has it check tokens.
    Without one no request has a claim: a rule that asks for one takes none, and one that excludes it takes all.

    Bad: `headers: {"@request.auth.claims.group": {exact: ml}}` on a gateway without a RequestAuthentication

    Good: a RequestAuthentication in the namespace of the gateway's pods, with their labels or without a selector

    Source: istio/istio pkg/config/analysis/analyzers/virtualservice/jwtclaimroute.go (IST0149),
    pilot/pkg/networking/core/route/route.go translateMetadataMatch.
    """
    asking = [(item, place) for item in release.of(ISTIO, "VirtualService") for place in _claims(item)]
    if not asking:
        return
    gateways = Gateways(release)
    readers = [
        item
        for item in release.known("security.istio.io", "RequestAuthentication")
        if entries(at(item.data, "spec.jwtRules")) and not at(item.data, "spec.targetRefs")
    ]
    for item, (place, name) in asking:
        for parent in route_of(item, release).parents:
            gateway = gateways.of(parent) if parent.kind == "Gateway" else None
            if gateway is None:
                continue
            running = list(release.selected(None, selector(gateway)))
            unread = next((each for each in running if not any(_is_for(one, each, release) for one in readers)), None)
            if unread is not None or not (running or readers):
                yield _unread(item, (place, name), unread, readers, release)


def _claims(item: "KubeObject") -> "Iterator[tuple[str, str]]":
    """(pointer, header) of the first match that asks for a claim, as this API writes it."""
    for r, rule in maps(at(item.data, "spec.http")):
        for m, match in maps(rule.get("match")):
            for field in ("headers", "withoutHeaders"):
                for name in mapping(match.get(field)):
                    if str(name).lower().startswith(_CLAIMS):
                        yield f"/spec/http/{r}/match/{m}/{field}", str(name)
                        return


def _is_for(item: "KubeObject", pods: "Pods", release: "Release") -> bool:
    labels = mapping(at(item.data, "spec.selector.matchLabels"))
    return release.namespace(item) in (pods.namespace, release.mesh("rootNamespace")) and (
        not labels or pods.carry(labels)
    )


def _unread(
    item: "KubeObject", asked: tuple[str, str], pods: "Pods | None", readers: "list[KubeObject]", release: "Release"
) -> Violation:
    place, name = asked
    others = ", ".join(each.title for each in readers[:3])
    root = release.mesh("rootNamespace")
    if pods is None:
        who, where, severity = (
            "is known here for its gateway, whose pods another release has",
            "the namespace of these pods",
            INFO,
        )
    else:
        who, where = f"is for {pods.title}, where the gateway runs", f"namespace {pods.namespace}"
        # One in the root namespace is for all pods of the mesh.
        severity = ERROR if release.owns(pods.namespace) and release.owns(root) else WARNING
    return Violation(
        item,
        place,
        f"the rule asks for {name}, and no RequestAuthentication {who}"
        + (f" ({others} is for others)" if others else "")
        + ": without one no request has a claim there",
        f"add a RequestAuthentication with jwtRules in {where}; if the mesh has one, show it by --context",
        severity=severity,
        evidence=name,
    )


RULES = (
    Rule(
        "MLM961",
        claim_without_authentication,
        severity=ERROR,
        confidence=ABSENCE,
        judges=("VirtualService",),
        reads=("RequestAuthentication", "Gateway", PODS),
    ),
)
