"""The annotations that Istio knows, and what the injector takes as their values; for any other it refuses the pod.

The names are those of istio/api annotation/annotations.gen.go and label/labels.gen.go, of istio/istio pkg/kube/inject,
and those that were taken away since, which do no harm. The values are those of istio/istio pkg/kube/inject/validate.go;
not that of `proxy.istio.io/config`, which is a document of its own.
"""

from mlmesh.graph.inventory import INJECT
from mlmesh.model.units import milli

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# By prefix, what may follow it in an annotation of a pod.
KNOWN = {
    "sidecar.istio.io/": (
        "agentLogLevel bootstrapOverride componentLogLevel controlPlaneAuthPolicy discoveryAddress enableCoreDump "
        "extraStatTags inject interceptionMode logLevel nativeSidecar proxyCPU proxyCPULimit proxyImage proxyImageType "
        "proxyMemory proxyMemoryLimit rewriteAppHTTPProbers statsCompression statsEvictionInterval statsFlushInterval "
        "statsHistogramBins statsHistogramBuckets statsInclusionPrefixes statsInclusionRegexps statsInclusionSuffixes "
        "status userVolume userVolumeMount"
    ),
    "traffic.sidecar.istio.io/": (
        "excludeInboundPorts excludeInterfaces excludeOutboundIPRanges excludeOutboundPorts includeInboundPorts "
        "includeOutboundIPRanges includeOutboundPorts kubevirtInterfaces"
    ),
    "readiness.status.sidecar.istio.io/": "applicationPorts failureThreshold initialDelaySeconds periodSeconds",
    "status.sidecar.istio.io/": "port",
    "proxy.istio.io/": "config overrides",
    "inject.istio.io/": "templates",
    "prometheus.istio.io/": "merge-metrics scrape-targets secure-port",
}
SERVICE = {"networking.istio.io/": "exportTo service-type traffic-distribution"}
LABELS = {"sidecar.istio.io/": "inject"}
# What istio/api marks as deprecated, and what to write in its place.
_STATS = "proxyStatsMatcher in proxy.istio.io/config"
_ACCOUNTS = "AuthorizationPolicies by principal"
DEPRECATED = {
    INJECT: f"the label {INJECT}",
    "sidecar.istio.io/discoveryAddress": "discoveryAddress in proxy.istio.io/config",
    "sidecar.istio.io/extraStatTags": "extraStatTags in proxy.istio.io/config, or a Telemetry",
    "sidecar.istio.io/statsCompression": "nothing in its place",
    "sidecar.istio.io/statsInclusionPrefixes": _STATS,
    "sidecar.istio.io/statsInclusionRegexps": _STATS,
    "sidecar.istio.io/statsInclusionSuffixes": _STATS,
    "traffic.sidecar.istio.io/kubevirtInterfaces": "istio.io/reroute-virtual-interfaces",
    "alpha.istio.io/canonical-serviceaccounts": _ACCOUNTS,
    "alpha.istio.io/kubernetes-serviceaccounts": _ACCOUNTS,
}
_TRAFFIC = "traffic.sidecar.istio.io/"
_READINESS = "readiness.status.sidecar.istio.io/"
_SIZES = frozenset(
    f"sidecar.istio.io/{name}" for name in ("proxyCPU", "proxyMemory", "proxyCPULimit", "proxyMemoryLimit")
)
_PORTS = frozenset(f"{_TRAFFIC}{name}Ports" for name in ("includeInbound", "excludeInbound", "excludeOutbound"))
_RANGES = frozenset(f"{_TRAFFIC}{name}OutboundIPRanges" for name in ("include", "exclude"))
_NUMBERS = frozenset(f"{_READINESS}{name}" for name in ("failureThreshold", "initialDelaySeconds", "periodSeconds"))
_ALL = frozenset((f"{_TRAFFIC}includeInboundPorts", f"{_TRAFFIC}includeOutboundIPRanges"))  # that take "*", too
_BOOLEANS = ("1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False")
_WORDS = {
    "sidecar.istio.io/interceptionMode": (("REDIRECT", "TPROXY", "NONE"), "REDIRECT, TPROXY or NONE"),
    "prometheus.istio.io/merge-metrics": (_BOOLEANS, "true or false"),
}
_PORT, _UINT32 = 2**16, 2**32


def expected(key: str, value: str) -> str:
    """What the injector takes for an annotation; empty where it takes this value, or looks at none."""
    if key in _WORDS:
        taken, told = _WORDS[key]
        return "" if value in taken else told
    if key in _ALL and value == "*":
        return ""
    if key in _PORTS:
        return "" if _each(value.strip(), _is_port) else "numbers of ports with commas between them"
    if key in _RANGES:
        return "" if _each(value, _is_range) else "ranges such as 10.0.0.0/8 with commas between them"
    if key in _NUMBERS:
        return "" if _number(value, _UINT32) else "a number"
    if key == "status.sidecar.istio.io/port":
        return "" if _is_port(value) else "the number of a port"
    if key in _SIZES:
        return "" if _is_quantity(value) else "a quantity such as 500m or 256Mi"
    return ""


def _each(value: str, fits: "Callable[[str], bool]") -> bool:
    return not value or all(fits(part) for part in value.split(","))


def _number(value: str, end: int) -> bool:
    return value.isascii() and value.isdecimal() and int(value) < end


def _is_port(value: str) -> bool:
    return _number(value.strip(), _PORT)


def _is_range(value: str) -> bool:
    from ipaddress import ip_network

    address, slash, length = value.partition("/")
    if not slash or not length.isdecimal() or length != str(int(length)) or "%" in address:
        return False
    try:
        ip_network(value, strict=False)
    except ValueError:
        return False
    return True


def _is_quantity(value: str) -> bool:
    try:
        milli(value[:-1] + "m" if value[-1:] in ("n", "u") else value)
    except ValueError:
        return False
    return True
