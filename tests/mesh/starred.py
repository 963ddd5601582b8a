"""The starred rules: those that every release is stopped for, each shown by traffic to be worth it.

`invariants/TOPIC/CODE.bad.yaml` breaks a rule and `CODE.good.yaml` keeps it, each on top of the topic's `base.yaml`.
What `mlmesh check` judges is applied as it is: first all bad ones of a topic at once, then all good ones over them.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev.mesh.lab import Mesh
from dev.mesh.traffic import Pod, eventually
from tests.mesh import table

STARRED = (
    *("MLM101", "MLM105", "MLM107", "MLM109", "MLM201", "MLM206", "MLM302", "MLM303", "MLM307", "MLM308"),
    *("MLM401", "MLM402", "MLM404", "MLM405", "MLM501", "MLM502", "MLM503"),
    *("MLM601", "MLM602", "MLM606", "MLM607", "MLM701", "MLM702", "MLM704", "MLM803"),
)
SIDES = ("bad", "good")
MANIFESTS = Path(__file__).parent / "invariants"
# Kinds that the API server here does not know; a test reads them, as the program does that they are for.
UNSERVED = ("ServiceMonitor",)

Object = dict[str, Any]

_SECONDS = 5  # for what follows from a change that every proxy has taken over already
_TIMES = 5


def stream(code: str, side: str) -> str:
    """The release of a rule's bad or good case."""
    (case,) = MANIFESTS.glob(f"*/{code}.{side}.yaml")
    return f"{(case.parent / 'base.yaml').read_text()}---\n{case.read_text()}"


def objects(topic: str, side: str) -> list[Object]:
    """Every object of a topic's cases of one side, each once."""
    files = [MANIFESTS / topic / "base.yaml", *sorted((MANIFESTS / topic).glob(f"*.{side}.yaml"))]
    found = [item for file in files for item in yaml.safe_load_all(file.read_text())]
    return list({_key(item): item for item in found}.values())


def of_kind(code: str, side: str, kind: str) -> Object:
    """The one object of that kind in a case."""
    (found,) = [item for item in yaml.safe_load_all(stream(code, side)) if item["kind"] == kind]
    return dict(found)


def told(caller: Pod, url: str, *flags: str, times: int = _TIMES) -> str:
    """What requests got, one after the other: the first may take a connection that is older than a change."""
    got = caller.calls(url, times, *flags, concurrency=1, timeout=3)
    statuses = got["statuses"]
    words = {"0": "timed out" if "timeout" in str(got["errors"]) else "connection closed"}
    return ", ".join(f"{count} of {times}: {words.get(each, each)}" for each, count in sorted(statuses.items()))


def _key(item: Object) -> tuple[str, str, str]:
    return item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"]


class Topic:
    """A topic's cases in the mesh: one side of them at a time."""

    def __init__(self, mesh: Mesh, name: str) -> None:
        self._mesh = mesh
        self._name = name
        self._there: list[Object] = []

    def turn(self, side: str, *, wait: bool) -> None:
        """Put one side in force in place of the other; with `wait` every pod is ready then."""
        wanted = objects(self._name, side)
        kept = {_key(item) for item in wanted}
        self._delete(item for item in self._there if _key(item) not in kept)
        self._there = wanted
        served = [item for item in wanted if item["kind"] not in UNSERVED]
        self._mesh.apply("---\n".join(map(yaml.safe_dump, served)))
        if wait:
            self._mesh.wait_for_pods()

    def end(self) -> None:
        """Delete all of it, and let no pod take its time, for which the next test would wait."""
        namespaces = [item for item in self._there if item["kind"] == "Namespace"]
        self._delete(namespaces)
        for each in namespaces:
            where = ("--namespace", each["metadata"]["name"])
            self._mesh.cluster.kubectl("delete", "pods", "--all", *where, "--grace-period=1", "--wait=false")

    def _delete(self, items: Iterable[Object]) -> None:
        text = "---\n".join(yaml.safe_dump(item) for item in items if item["kind"] not in UNSERVED)
        if text:
            self._mesh.cluster.kubectl("delete", "--ignore-not-found", "--wait=false", "-f", "-", stdin=text)


class Case:
    """A rule's case of one side, which is in force."""

    def __init__(self, item: pytest.Function, code: str, side: str) -> None:
        self.code = code
        self.side = side
        self._item = item

    def shows(self, look: Callable[[], str], *, bad: str, good: str) -> None:
        """Demand that `look` comes to tell what this side must show, and publish that in the table of docs/mesh.md."""
        wanted = bad if self.side == "bad" else good
        seen = ""

        def right() -> bool:
            nonlocal seen
            seen = look()
            return seen == wanted

        eventually(right, _SECONDS)
        assert seen == wanted, f"{self.code}, {self.side}: {seen}"
        table.add_starred(self._item, self.code, self.side, wanted)
