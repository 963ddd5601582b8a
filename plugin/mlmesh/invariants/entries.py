"""ServiceEntries whose connections a proxy cannot tell from others: MLM956."""

from mlmesh.graph.fields import at, entries, maps
from mlmesh.graph.route import ISTIO
from mlmesh.invariants.rule import OBJECT, Rule, Violation
from mlmesh.model.findings import INFO, WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlmesh.graph.release import Release

_TCP = ("TCP", "MONGO", "MYSQL", "REDIS", "")
_CAPTURE = b"ISTIO_META_DNS_CAPTURE"  # whoever turns that on has addresses that istiod gives
_AMBIENT = "istio.io/dataplane-mode"


def tcp_entry_without_address(release: "Release") -> "Iterator[Violation]":
    """A ServiceEntry has a port of TCP and no addresses: sidecars take every connection to that port for its host.

    Why: A connection of TCP tells no host. Without an address a sidecar listens for the port on all addresses, and
    leads there whatever else is called on it outside the cluster. The addresses that istiod gives by itself are used
    only where sidecars answer DNS, which they do not by default.

    Bad: `ports: [{number: 5432, name: tcp, protocol: TCP}]` with `resolution: DNS` alone

    Good: `addresses` beside it, or protocol TLS where the client names its host, or DNS capture in the proxies

    Source: istio/istio pkg/config/analysis/analyzers/serviceentry/protocoladdresses.go (IST0134),
    pilot/pkg/model/service.go nodeUsesAutoallocatedIPs.
    """
    found = [item for item in release.of(ISTIO, "ServiceEntry") if not entries(at(item.data, "spec.addresses"))]
    if not found or (release.documents and release.documents[0].stream.data.find(_CAPTURE) >= 0):
        return
    for item in found:
        if at(item.data, "status.addresses") or _AMBIENT in (release.namespace_labels(release.namespace(item)) or {}):
            continue
        hosts = ", ".join(map(str, entries(at(item.data, "spec.hosts"))))
        passes = at(item.data, "spec.resolution") in (None, "", "NONE")
        for index, port in maps(at(item.data, "spec.ports")):
            protocol = str(port.get("protocol") or "").upper()
            if protocol in _TCP:
                yield Violation(
                    item,
                    f"/spec/ports/{index}",
                    f"port {port.get('number')} is {protocol or 'of no protocol'} and the entry has no addresses: "
                    + (
                        f"sidecars let every connection to that port pass as one to {hosts}, under REGISTRY_ONLY too"
                        if passes
                        else f"sidecars lead every connection to that port of any outside address to {hosts}"
                    ),
                    f"add addresses: [...] with those of {hosts}; or protocol: TLS where the client names its host by "
                    f'SNI; or have proxies answer DNS: proxyMetadata, {_CAPTURE.decode()}: "true"',
                    severity=INFO if passes else WARNING,
                    evidence=str(port.get("number")),
                )


RULES = (
    Rule(
        "MLM956",
        tcp_entry_without_address,
        severity=WARNING,
        confidence=OBJECT,
        judges=("ServiceEntry",),
        reads=("Namespace",),
        scope="object",
    ),
)
