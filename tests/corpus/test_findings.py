"""The post-renderer on other projects' streams, unmodified: no false error, no change without reason, no exception."""

from pathlib import Path
from typing import Any

import yaml

from mlmesh.post_renderer import post_render

LISTED: dict[str, dict[str, str]] = yaml.safe_load((Path(__file__).parent / "findings.yaml").read_text())
TWICE: dict[str, dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "twice.yaml").read_text())


def test_every_finding_on_an_unmodified_stream_has_a_verdict(corpus: Path) -> None:
    """What is said of charts that nobody here wrote is listed with a judgement; nothing else is said of them."""
    said = {}
    documents = 0
    for path in sorted(corpus.glob("*.yaml")):
        result = post_render(path.read_bytes(), namespace="ml")
        documents += len(result.stream.documents)
        found = [finding for finding in result.findings if finding.code != "MLM903"]
        if found:
            said[path.stem] = {f"{f.severity} {f.code} {f.kind} {f.name}" for f in found}
    assert documents > 5000
    assert said == {stem: set(lines) for stem, lines in LISTED.items()}


def test_objects_are_twice_only_where_a_stream_is_several_releases(corpus: Path) -> None:
    """Each stream has as many as are listed, with the reason; no release as Helm hands it over has one."""
    said = {}
    for path in sorted(corpus.glob("*.yaml")):
        found = [each for each in post_render(path.read_bytes(), namespace="ml").findings if each.code == "MLM903"]
        if found:
            said[path.stem] = len(found)
    assert said == {stem: verdict["objects"] for stem, verdict in TWICE.items()}
    assert all(verdict["why"] for verdict in TWICE.values())
    assert not [stem for stem in said if stem.endswith(("-h4", "-p3"))]


def test_a_stream_is_changed_by_its_plan_alone_and_once(corpus: Path) -> None:
    """Where no pod's role and no route's endpoint is known a stream leaves byte for byte; a second run changes none."""
    for path in sorted(corpus.glob("*.yaml")):
        data = path.read_bytes()
        result = post_render(data)
        once = b"".join(result.output)
        assert (once == data) == (not result.patches), path.stem
        again = post_render(once)
        assert (again.patches, b"".join(again.output)) == ([], once), path.stem
