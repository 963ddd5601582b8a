"""A route, whichever API writes it: whose requests, what is matched, where it is sent, for how long."""

from mlmesh.manifests.objects import KubeObject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ISTIO = "networking.istio.io"
GATEWAY_API = "gateway.networking.k8s.io"
MESH = "mesh"
POOL = "InferencePool"


class Parent:
    """Where a route is attached: ``kind`` is "mesh", "Gateway" or what else a parentRef names ("Service")."""

    __slots__ = ("group", "kind", "name", "namespace", "pointer", "section")

    def __init__(self, group: str, kind: str, namespace: str, name: str, *, pointer: str, section: str = "") -> None:
        self.group = group
        self.kind = kind
        self.namespace = namespace
        self.name = name
        self.pointer = pointer
        self.section = section


class Match:
    """What one match asks for. ``form`` is "exact", "prefix" (any text that begins so), "path-prefix" (whole elements
    of a path), "regex", or empty for any path; ``headers`` are names; ``data`` is the match as its API writes it.

    A gRPC method is its path: ``/package.Service/Method``, or the prefix ``/package.Service/``.
    """

    __slots__ = ("data", "form", "headers", "method", "path")

    def __init__(self, data: "dict[str, Any]", form: str, path: str, method: str, headers: list[str]) -> None:
        self.data = data
        self.form = form
        self.path = path
        self.method = method
        self.headers = headers


class Backend:
    """Where a rule sends: ``host``, the full name of a host (a Service's too), or an InferencePool's name.

    ``kind`` is "Service" (named as such), "Hostname" (by its name in DNS), "InferencePool", or what else there is.
    """

    __slots__ = ("group", "host", "kind", "mirror", "name", "namespace", "pointer", "port", "subset", "weight")

    def __init__(
        self,
        group: str,
        kind: str,
        namespace: str,
        name: str,
        *,
        host: str,
        pointer: str,
        port: "Any",
        subset: str = "",
        weight: "Any" = None,
        mirror: bool = False,
    ) -> None:
        self.group = group
        self.kind = kind
        self.namespace = namespace
        self.name = name
        self.host = host
        self.pointer = pointer
        self.port = port
        self.subset = subset
        self.weight = weight
        self.mirror = mirror


class Rule:
    """One rule. ``pointer`` is from the object; ``protocol`` http, grpc, tcp or tls; ``timeout`` in seconds of a whole
    request (``math.inf``: none), None where the protocol has no requests."""

    __slots__ = ("backends", "data", "matches", "name", "pointer", "protocol", "timeout")

    def __init__(
        self,
        data: "dict[str, Any]",
        pointer: str,
        protocol: str,
        *,
        matches: list[Match],
        timeout: float | None,
        backends: list[Backend],
    ) -> None:
        self.data = data
        self.pointer = pointer
        self.protocol = protocol
        self.name = str(data.get("name") or "")
        self.matches = matches
        self.timeout = timeout
        self.backends = backends


class Route:
    """One route: ``hosts`` as clients call them (full names; empty: every host of its parents)."""

    __slots__ = ("hosts", "owner", "parents", "rules")

    def __init__(self, owner: KubeObject, hosts: list[str], parents: list[Parent], rules: list[Rule]) -> None:
        self.owner = owner
        self.hosts = hosts
        self.parents = parents
        self.rules = rules

    @property
    def in_mesh(self) -> bool:
        """Whether sidecars follow it."""
        return any(parent.kind in (MESH, "Service", "ServiceEntry") for parent in self.parents)
