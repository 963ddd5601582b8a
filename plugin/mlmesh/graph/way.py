"""The way from a gateway to pods: which paths a route hands on, and which are refused on it."""

from mlmesh.graph.authorization import lets_through, policies_at, policies_of
from mlmesh.graph.gateways import accounts
from mlmesh.graph.matching import asked, rule_for
from mlmesh.graph.route import GATEWAY_API

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlmesh.graph.inventory import Pods
    from mlmesh.graph.release import Release
    from mlmesh.graph.route import Route
    from mlmesh.graph.route import Rule as RouteRule
    from mlmesh.manifests.objects import KubeObject


class Way:
    """A route's way from the gateways to pods: whom the pods see, and what the gateways refuse themselves."""

    __slots__ = ("callers", "domain", "outer", "release", "route")

    def __init__(self, route: "Route", release: "Release") -> None:
        found = [
            item
            for parent in route.parents
            for item in release.known(parent.group, "Gateway")
            if parent.kind == "Gateway" and (release.namespace(item), item.name) == (parent.namespace, parent.name)
        ]
        self.route = route
        self.release = release
        self.domain = release.mesh("trustDomain")
        self.callers = {account for gateway in found for account in accounts(gateway, release)}
        self.outer = [policies_at(gateway, release) for gateway in found if gateway.group == GATEWAY_API]

    def through(self, rule: "RouteRule", requests: "Iterable[tuple[str, str]]", pods: "Pods") -> list[str]:
        """The paths that a client at a gateway can ask for so that one of the requests gets to the pods."""
        inner = policies_of(pods, self.release)
        return [
            asking
            for method, path in requests
            if self._arrives(inner, method, path)
            for asking in asked(rule, path)
            if rule_for(self.route, asking, method) is rule and self.enters(method, asking)
        ]

    def enters(self, method: str, path: str) -> bool:
        """Whether a gateway lets somebody from outside ask for a path."""
        return not self.outer or any(lets_through(policies, method, path, (), self.domain) for policies in self.outer)

    def arrives(self, method: str, path: str, pods: "Pods") -> bool:
        """Whether pods take such a request from the gateway."""
        return self._arrives(policies_of(pods, self.release), method, path)

    def _arrives(self, policies: "list[KubeObject]", method: str, path: str) -> bool:
        return lets_through(policies, method, path, self.callers or None, self.domain)
