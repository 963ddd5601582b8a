"""Names and addresses of Services, as a cluster's DNS and kube-proxy give them."""

from typing import NamedTuple

from dev.mesh.api import Api, Object
from dev.mesh.network import HUB, files_of, inside, run

_CONTROL_PLANE = {("istio-system", "istiod"), ("default", "kubernetes")}


class Services(NamedTuple):
    """The Services, and by (namespace, Service) the EndpointSlices."""

    services: list[Object]
    slices: dict[tuple[str, str], list[Object]]

    @classmethod
    def read(cls, api: Api) -> "Services":
        """As the API has them now."""
        slices: dict[tuple[str, str], list[Object]] = {}
        for each in api.items("/apis/discovery.k8s.io/v1/endpointslices"):
            owner = each["metadata"].get("labels", {}).get("kubernetes.io/service-name", "")
            slices.setdefault((each["metadata"]["namespace"], owner), []).append(each)
        return cls(api.items("/api/v1/services"), slices)

    def hosts(self, namespace: str, aliases: list[Object]) -> str:
        """The hosts file of a pod in `namespace`; `aliases` are its spec's."""
        own = "istiod.istio-system.svc istiod.istio-system.svc.cluster.local kubernetes.default.svc"
        lines = ["127.0.0.1 localhost", f"{HUB} {own} kubernetes.default.svc.cluster.local"]
        lines += [f"{each['ip']} {' '.join(each.get('hostnames') or [])}" for each in aliases]
        for service in self.services:
            key = (service["metadata"]["namespace"], service["metadata"]["name"])
            if key in _CONTROL_PLANE:
                continue
            short = f"{key[1]}.{key[0]}"
            names = f"{short}.svc.cluster.local {short}.svc {short}" + (f" {key[1]}" if key[0] == namespace else "")
            address = service["spec"].get("clusterIP")
            headless = address in (None, "", "None")
            lines += [f"{each} {names}" for each in (self._ready(self.slices.get(key, [])) if headless else [address])]
        return "\n".join(lines) + "\n"

    def nat_rules(self) -> str:
        """Rules that send what goes to a Service's address to one of its pods, for `iptables-restore`."""
        rules = ["*nat", ":OUTPUT ACCEPT [0:0]"]
        for service in self.services:
            address = service["spec"].get("clusterIP")
            key = (service["metadata"]["namespace"], service["metadata"]["name"])
            if address in (None, "", "None") or key in _CONTROL_PLANE:
                continue
            for port in service["spec"].get("ports") or []:
                targets = self._targets(key, port.get("name", ""))
                for index, target in enumerate(targets):
                    left = len(targets) - index
                    chance = f" -m statistic --mode random --probability {1 / left:.6f}" if left > 1 else ""
                    match = f"-d {address}/32 -p tcp --dport {port['port']}"
                    rules.append(f"-A OUTPUT {match}{chance} -j DNAT --to-destination {target}")
        return "\n".join([*rules, "COMMIT\n"])

    def publish_load_balancers(self, api: Api) -> None:
        """What a cloud does: a Service of type LoadBalancer gets an address, here that of its first ready pod."""
        for service in self.services:
            if service["spec"].get("type") != "LoadBalancer":
                continue
            namespace, name = service["metadata"]["namespace"], service["metadata"]["name"]
            ready = self._ready(self.slices.get((namespace, name), []))[:1]
            wanted = [{"ip": address, "ipMode": "VIP"} for address in ready]
            if service.get("status", {}).get("loadBalancer", {}).get("ingress", []) != wanted:
                status = {"status": {"loadBalancer": {"ingress": wanted}}}
                api.merge(f"/api/v1/namespaces/{namespace}/services/{name}/status", status)

    def _targets(self, key: tuple[str, str], port_name: str) -> list[str]:
        found = []
        for each in self.slices.get(key, []):
            numbers = [port["port"] for port in each.get("ports") or [] if (port.get("name") or "") == port_name]
            found += [f"{address}:{numbers[0]}" for address in self._ready([each]) if numbers]
        return found

    @staticmethod
    def _ready(slices: list[Object]) -> list[str]:
        endpoints = [each for one in slices for each in one.get("endpoints") or []]
        ready = [each for each in endpoints if (each.get("conditions") or {}).get("ready") is not False]
        return [address for each in ready for address in each["addresses"]]


def write_names(namespace: str, hosts: str) -> None:
    """Give a network namespace its names. Rewritten in place, so that what runs there already sees them."""
    folder = files_of(namespace)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "hosts").write_text(hosts)
    (folder / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")


def write_nat(namespace: str, rules: str) -> None:
    """Give a network namespace without a sidecar's capture its way to Services."""
    run(*inside(namespace, ["iptables-restore"]), stdin=rules)
