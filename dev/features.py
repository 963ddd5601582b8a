"""What the chart can do beyond its defaults: docs/features.md is made of it, and tests hold the chart to it."""

from typing import Any, NamedTuple

import yaml

from dev.toolchain import ROOT

SOURCE = ROOT / "docs" / "features.yaml"

HEAD = """\
# What the chart can do

Each row is rendered, judged by `mlmesh check` and by `istioctl analyze`, and taken by a real API server with strict
validation, by tests/cluster/test_features.py. The values of a row are a file to read and to copy from; what it needs
besides is in there. Made from docs/features.yaml by `make docs`.

"""


class Feature(NamedTuple):
    """A row: what it is called, the values files that turn it on (none: it is a default), and what is then rendered.

    ``objects`` has, by `Kind namespace/name`, words that are in that object.
    """

    topic: str
    name: str
    values: tuple[str, ...]
    objects: dict[str, list[str]]


def features() -> list[Feature]:
    """All rows, in their order."""
    topics: dict[str, list[dict[str, Any]]] = yaml.safe_load(SOURCE.read_text())
    return [
        Feature(topic, row["feature"], tuple(row.get("values", ())), row["objects"])
        for topic, rows in topics.items()
        for row in rows
    ]


FEATURES = features()


def page() -> str:
    """docs/features.md."""
    lines = []
    topic = ""
    for feature in FEATURES:
        if feature.topic != topic:
            topic = feature.topic
            lines += [f"## {topic}", "", "| feature | values | what is rendered |", "|---|---|---|"]
        values = " and ".join(f"[{file}](../{file})" for file in feature.values) or "the defaults"
        objects = ", ".join(f"`{name}`" for name in feature.objects)
        lines.append(f"| {feature.name} | {values} | {objects} |")
    text = "\n".join(lines).replace("\n## ", "\n\n## ")
    return HEAD + text + "\n"
