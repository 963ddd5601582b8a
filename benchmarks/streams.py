"""Streams of any size, the same bytes on every run and every machine.

A stream's mix gives each document's share of the bytes; the next document is always the one that is most behind its
share, so that one megabyte of a stream holds what every other megabyte holds.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from benchmarks import bulk, meshes, workloads

Maker = Callable[[int], str]

MEGABYTE = 1_000_000

# A large chart. By bytes a third is workloads, a twelfth what a mesh reads, the rest unread: so it is in the rendered
# output of some eighty public charts for ML and monitoring, taken together. Half of the unread is dashboards and rules.
LARGE: dict[Maker, float] = {
    workloads.workload: 0.32,
    workloads.service: 0.03,
    workloads.service_account: 0.02,
    workloads.route: 0.015,
    workloads.traffic_policy: 0.005,
    workloads.access: 0.01,
    bulk.dashboard: 0.25,
    bulk.alerts: 0.15,
    bulk.small_crd: 0.10,
    bulk.settings: 0.02,
    bulk.secret: 0.01,
    bulk.role: 0.02,
    bulk.role_binding: 0.02,
    bulk.monitor: 0.01,
    bulk.autoscaler: 0.01,
    bulk.claim: 0.01,
}

# An operator's chart, nearly all of it schemas.
CRDS: dict[Maker, float] = {
    bulk.crd: 0.94,
    workloads.workload: 0.02,
    workloads.service: 0.005,
    workloads.service_account: 0.005,
    workloads.route: 0.005,
    bulk.settings: 0.01,
    bulk.role: 0.01,
    bulk.role_binding: 0.005,
}

# A platform of many models. Three documents in ten have pods, three are read for the mesh, the rest is unread.
SMALL: dict[Maker, float] = {
    workloads.workload: 0.66,
    workloads.service: 0.06,
    workloads.service_account: 0.04,
    workloads.route: 0.045,
    workloads.access: 0.015,
    bulk.settings: 0.04,
    bulk.secret: 0.03,
    bulk.role: 0.035,
    bulk.role_binding: 0.03,
    bulk.autoscaler: 0.02,
    bulk.network_policy: 0.025,
}

# A mesh that is all rules: nothing is unread, a fifth of the objects are routes, and 10 MB are over 10,000 objects.
MESH: dict[Maker, float] = {
    workloads.workload: 0.30,
    workloads.service: 0.10,
    workloads.service_account: 0.06,
    workloads.route: 0.09,
    meshes.gateway_route: 0.11,
    workloads.traffic_policy: 0.07,
    workloads.access: 0.06,
    meshes.callers: 0.06,
    meshes.scope: 0.06,
    meshes.strictness: 0.05,
    meshes.outside: 0.04,
}

STREAMS: dict[str, Mapping[Maker, float]] = {
    "large chart": LARGE,
    "CRDs": CRDS,
    "small documents": SMALL,
    "mesh": MESH,
}


def documents(name: str, size: int) -> Iterator[str]:
    """The documents of a stream, without separators, until it has `size` bytes, separators counted."""
    mix = STREAMS[name]
    written = dict.fromkeys(mix, 0)
    counts = dict.fromkeys(mix, 0)
    total = 0
    while total < size:
        maker = max(mix, key=lambda each: mix[each] * total - written[each])
        text = maker(counts[maker])
        counts[maker] += 1
        written[maker] += len(text)
        total += len(text) + len("---\n")
        yield text


def write_stream(path: Path, name: str, size: int) -> None:
    """Write a stream of at least `size` bytes, each document behind a separator. The text is ASCII.

    It never is in memory as a whole: a process that is started inherits the peak of the one that starts it.
    """
    with path.open("w", encoding="ascii") as file:
        for text in documents(name, size):
            file.write("---\n")
            file.write(text)
