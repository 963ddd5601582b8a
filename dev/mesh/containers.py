"""What a kubelet works out of a Pod: which containers run when, with which arguments and environment."""

import base64
import math
import os
import re
from typing import Any, NamedTuple

from dev.mesh.api import Api, Object
from dev.mesh.network import HUB

NODE = "mlmesh"
PROXY = "istio-proxy"

_REFERENCE = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)")
_KEYED = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")
_SCALES = {"": 1, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


class Containers(NamedTuple):
    """A Pod's containers: those that run to their end first, the proxy if there is one, and the apps.

    `native` tells whether the proxy is a native sidecar, which starts before the apps and ends after them.
    """

    first: list[Object]
    proxy: Object | None
    apps: list[Object]
    native: bool


def containers(pod: Object) -> Containers:
    """Sort a Pod's containers by when they run."""
    inits, mains = pod["spec"].get("initContainers") or [], pod["spec"]["containers"]
    proxies = [each for each in [*inits, *mains] if each["name"] == PROXY]
    return Containers(
        first=[each for each in inits if each.get("restartPolicy") != "Always"],
        proxy=proxies[0] if proxies else None,
        apps=[each for each in mains if each["name"] != PROXY],
        native=any(each["name"] == PROXY for each in inits),
    )


def ends(pod: Object) -> bool:
    """Whether the pod is one that ends by itself: of a Job or of `helm test`."""
    return str(pod["spec"].get("restartPolicy", "Always")) != "Always"


def environment(api: Api, pod: Object, container: Object, address: str) -> dict[str, str]:
    """The container's own environment, by name; `address` is the pod's."""
    values: dict[str, str] = {}
    for entry in container.get("env") or []:
        source = entry.get("valueFrom")
        value = _from(api, pod, container, source, address) if source else entry.get("value", "")
        values[entry["name"]] = _expanded(value, values)
    return values


def arguments(container: Object, values: dict[str, str], key: str = "args") -> list[str]:
    """The container's `args` or `command` with the environment's values in them."""
    return [_expanded(argument, values) for argument in container.get(key) or []]


def quantity(text: str) -> float:
    """A Kubernetes quantity as a number: `500m` is 0.5, `1Ki` is 1024. Not the product's reader, which is on trial."""
    number, unit = re.fullmatch(r"([0-9.]+)([a-zA-Z]*)", text).groups()  # type: ignore[union-attr]
    return float(number) * _SCALES[unit]


def tcp_ports(container: Object) -> list[int]:
    """The TCP ports that a container declares."""
    return [each["containerPort"] for each in container.get("ports") or [] if each.get("protocol", "TCP") == "TCP"]


def named(container: Object, name: str) -> list[int]:
    """The numbers of the container's ports with this name, or with it before a hyphen."""
    return [
        each["containerPort"]
        for each in container.get("ports") or []
        if str(each.get("name", "")).partition("-")[0] == name
    ]


def _expanded(text: str, values: dict[str, str]) -> str:
    return _REFERENCE.sub(lambda found: values.get(found[1], found[0]), text)


def _from(api: Api, pod: Object, container: Object, source: Object, address: str) -> str:
    if "fieldRef" in source:
        return _field(pod, source["fieldRef"]["fieldPath"], address)
    if "resourceFieldRef" in source:
        return _resource(container, source["resourceFieldRef"])
    kind = "secrets" if "secretKeyRef" in source else "configmaps"
    reference: Object = source.get("secretKeyRef") or source["configMapKeyRef"]
    found = api.get(f"/api/v1/namespaces/{pod['metadata']['namespace']}/{kind}/{reference['name']}") or {}
    value = str(found.get("data", {}).get(reference["key"], ""))
    return base64.b64decode(value).decode() if kind == "secrets" else value


def _field(pod: Object, path: str, address: str) -> str:
    metadata, spec = pod["metadata"], pod["spec"]
    if keyed := _KEYED.fullmatch(path):
        return str((metadata.get(keyed[1]) or {}).get(keyed[2], ""))
    known: dict[str, Any] = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "spec.nodeName": NODE,
        "spec.serviceAccountName": spec.get("serviceAccountName", "default"),
        "status.hostIP": HUB,
        "status.podIP": address,
        "status.podIPs": address,
    }
    return str(known[path])


def _resource(container: Object, reference: Object) -> str:
    """A request or limit of the container in units of the divisor; the node's own where it has none."""
    group, _, name = reference["resource"].partition(".")
    own = ((container.get("resources") or {}).get(group) or {}).get(name)
    whole = {"cpu": os.cpu_count() or 1, "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")}
    amount = quantity(str(own)) if own else float(whole.get(name, 0))
    return str(math.ceil(amount / quantity(str(reference.get("divisor") or "1"))))
