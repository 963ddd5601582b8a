"""Certificates that gateways are given and cannot use: MLM966. Nothing of a Secret's content is told."""

from mlmesh.graph.certificates import AUTHORITIES, PAIRS, validity
from mlmesh.graph.fields import at, entries, mapping, maps
from mlmesh.graph.gateways import selector
from mlmesh.graph.route import GATEWAY_API, ISTIO
from mlmesh.graph.servers import servers
from mlmesh.invariants.rule import CONTRADICTION, PODS, Rule, Violation
from mlmesh.model.findings import ERROR, WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject

_AUTHORITY = "-cacert"  # the name of a Secret of its own, for the authority of the clients' certificates
_PREFIX = "kubernetes://"


class _Asked:
    """A Secret that a Gateway's server asks for; ``namespace`` is None where nobody here holds the gateway's pods."""

    __slots__ = ("gateway", "mutual", "name", "namespace", "place")

    def __init__(
        self, gateway: "KubeObject", place: str, namespace: str | None, name: str, *, mutual: bool = False
    ) -> None:
        self.gateway = gateway
        self.place = place
        self.namespace = namespace
        self.name = name
        self.mutual = mutual


def gateway_credential(release: "Release") -> "Iterator[Violation]":
    """A Gateway's Secret holds no certificate and key, or a certificate that has ended: no TLS handshake succeeds.

    Why: istiod reads the Secret in the namespace of the gateway's pods, from `tls.crt` and `tls.key`, or `cert` and
    `key`. Where one is missing, or the certificate cannot be read or is out of date, the proxy gets nothing and closes
    every connection to that server.

    Bad: `credentialName: web-tls` with a Secret whose keys are `certificate` and `privateKey`, or that another
    namespace has

    Good: a Secret of type kubernetes.io/tls, beside the gateway's pods

    Source: istio/istio pilot/pkg/credentials/kube/secrets.go ExtractCertInfo, pilot/pkg/xds/sds.go
    ValidateCertificate, pkg/config/analysis/analyzers/gateway/secret.go (IST0161).
    """
    asked = [*_of_istio(release), *_of_gateway_api(release)]
    if not asked:
        return
    own = {id(item) for item in release.of("", "Secret")}
    held: dict[str, dict[str, KubeObject]] = {}  # by name and namespace
    for secret in release.known("", "Secret"):
        held.setdefault(secret.name, {}).setdefault(release.namespace(secret), secret)
    for each in asked:
        places = held.get(each.name, {})
        here = places.get(each.namespace) if each.namespace is not None else next(iter(places.values()), None)
        if here is None:
            if places and each.namespace is not None:
                yield _elsewhere(each, next(iter(places.values())))
            continue
        wrong, sure = _wrong(here), id(here) in own and each.namespace is not None and _is_filled(here)
        if not wrong and each.mutual and not _has_authority(here) and each.name + _AUTHORITY not in held:
            wrong, sure = "has no ca.crt for the clients' certificates, nor is there a Secret with it beside", False
        if wrong:
            yield Violation(
                each.gateway,
                each.place,
                f"{here.title} {wrong}: istiod gives the gateway nothing for it, and TLS handshakes fail",
                "kind: Secret, type: kubernetes.io/tls, with a certificate that is in date in tls.crt and its key in "
                "tls.key" + (", and the authority of the clients' certificates in ca.crt" if each.mutual else ""),
                severity=ERROR if sure else WARNING,
                evidence=here.title,
            )


def _of_istio(release: "Release") -> "Iterator[_Asked]":
    for gateway in release.of(ISTIO, "Gateway"):
        where: list[str | None] | None = None
        for server in servers(gateway, release):
            names = [
                str(name)
                for name in (server.tls.get("credentialName"), *entries(server.tls.get("credentialNames")))
                if name
            ]
            if names and where is None:
                where = [*dict.fromkeys(pods.namespace for pods in release.selected(None, selector(gateway)))] or [None]
            for name in dict.fromkeys(names):
                plain = name.removeprefix(_PREFIX)
                for namespace in where or () if "/" not in plain else ():
                    mutual = server.tls.get("mode") in ("MUTUAL", "OPTIONAL_MUTUAL")
                    place = f"/spec/servers/{server.index}/tls"
                    yield _Asked(gateway, place, namespace, plain, mutual=mutual)


def _of_gateway_api(release: "Release") -> "Iterator[_Asked]":
    for gateway in release.of(GATEWAY_API, "Gateway"):
        for index, listener in maps(at(gateway.data, "spec.listeners")):
            for r, ref in maps(at(listener, "tls.certificateRefs")):
                if ref.get("kind", "Secret") == "Secret" and not ref.get("group") and ref.get("name"):
                    namespace = str(ref.get("namespace") or release.namespace(gateway))
                    place = f"/spec/listeners/{index}/tls/certificateRefs/{r}"
                    yield _Asked(gateway, place, namespace, str(ref["name"]))


def _elsewhere(asked: _Asked, secret: "KubeObject") -> Violation:
    return Violation(
        asked.gateway,
        asked.place,
        f"{secret.title} is not in namespace {asked.namespace}, where the gateway reads {asked.name}: unless another "
        f"release has one there, TLS handshakes fail",
        f"put the Secret into namespace {asked.namespace}",
        severity=WARNING,
        evidence=f"{asked.namespace} {asked.name}",
    )


def _text(secret: "KubeObject", key: str) -> str | None:
    """What a Secret holds under a key, decoded; None where it holds nothing, ValueError where that is no text."""
    plain = mapping(secret.data.get("stringData")).get(key)
    if plain:
        return str(plain)
    coded = mapping(secret.data.get("data")).get(key)
    if not coded:
        return None
    from binascii import a2b_base64

    return a2b_base64(str(coded).encode(), strict_mode=False).decode()


def _wrong(secret: "KubeObject") -> str:
    """What is wrong with a Secret's certificate, in words that tell nothing of it; empty where nothing is."""
    from time import gmtime, strftime

    try:
        pair = next((pair for pair in PAIRS if all(_text(secret, key) for key in pair)), None)
        if pair is None:
            return "has neither tls.crt and tls.key nor cert and key"
        first, last = validity(_text(secret, pair[0]) or "")
    except ValueError as error:  # of base64, of UTF-8, or of the certificate
        said = str(error) if type(error) is ValueError else "what stands there is no base64 of a text"
        return f"has a certificate that cannot be read ({said})"
    now = strftime("%Y%m%d%H%M%SZ", gmtime())
    if last < now:
        return f"has a certificate that ended on {last[:4]}-{last[4:6]}-{last[6:8]}"
    return f"has a certificate that begins on {first[:4]}-{first[4:6]}-{first[6:8]}" if now < first else ""


def _is_filled(secret: "KubeObject") -> bool:
    """Whether a Secret holds a certificate or a key: one that holds neither may be filled in the cluster."""
    try:
        return any(_text(secret, key) for pair in PAIRS for key in pair)
    except ValueError:
        return False


def _has_authority(secret: "KubeObject") -> bool:
    keys = [key for field in ("data", "stringData") for key in mapping(secret.data.get(field))]
    return any(key in keys for key in AUTHORITIES)


RULES = (
    Rule(
        "MLM966",
        gateway_credential,
        severity=ERROR,
        confidence=CONTRADICTION,
        judges=("Gateway",),
        reads=("Secret", PODS),
    ),
)
