"""Each overlay of values/ has a purpose, differs only where it must, and is accepted by Istio's own checks."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev.toolchain import ROOT
from mlmesh.model.units import duration_ms
from tests.chart.charts import Render, find, kinds

OVERLAYS = sorted(path.name for path in (ROOT / "values").glob("*.yaml"))
FILES = ["", *(f"values/{name}" for name in OVERLAYS), "tests/chart/full.yaml"]


def _leaves(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(node, dict) and node:
        for key, below in node.items():
            yield from _leaves(below, (*path, key))
    else:
        yield path, node


def _load(overlay: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "values" / overlay).read_text())
    return loaded


def test_the_overlays() -> None:
    """There is one for each environment, the first day, two looks, large clusters, and one with better numbers."""
    names = ("adopt", "demo", "dev", "inference-extension", "large", "prod", "recommended", "staging")
    assert [f"{name}.yaml" for name in names] == OVERLAYS


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_overlay_states_its_purpose(overlay: str) -> None:
    """The file begins with what it is for."""
    assert (ROOT / "values" / overlay).read_text().startswith("# Purpose: ")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_overlay_repeats_no_default(values: dict[str, Any], overlay: str) -> None:
    """Each leaf differs from the default, but for the fields that make a block of several readable as one."""
    repeated = []
    for path, value in _leaves(_load(overlay)):
        place: Any = values
        for part in path:
            place = place.get(part, {}) if isinstance(place, dict) else {}
        if place == value and "retries" not in path:
            repeated.append(".".join(path))
    assert repeated == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_overlay_renders(render: Render, overlay: str) -> None:
    """Each Helm renders it, also under recommended.yaml, and no object comes twice."""
    for more in ((), ("-f", "values/recommended.yaml")):
        objects = render("-f", f"values/{overlay}", *more)
        keys = [(o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]) for o in objects]
        assert len(keys) == len(set(keys)) > 5


# What Istio warns of, and values.yaml too: options that are off by default.
WARNED = {
    "inference-service-admin": "will deny all traffic to TCP ports",
    "stall-guard": "EnvoyFilter exposes internal implementation details",
    "-split": "EnvoyFilter exposes internal implementation details",
    "-picker": "no caCertificates are set to validate server identity",
    "-body-router": "",
}


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(
    "check", [("analyze", "-A", "--use-kube=false"), ("validate", "-f")], ids=lambda check: check[0]
)
def test_istio_accepts_the_overlay(
    render_once: Render, tool: Callable[[str], str], tmp_path: Path, file: str, check: tuple[str, ...]
) -> None:
    """istioctl analyze and validate find no error in it, and no warning that values.yaml does not give."""
    stream = tmp_path / "stream.yaml"
    stream.write_text(yaml.safe_dump_all(render_once(*(("-f", file) if file else ()))))
    done = subprocess.run(
        [tool("istioctl"), *check, str(stream)],
        env={"HOME": str(tmp_path), "KUBECONFIG": str(tmp_path / "none")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith(("Error", "Warning"))]
    assert not [line for line in told if not any(name in line and what in line for name, what in WARNED.items())]


def test_production_is_strict_everywhere(render: Render) -> None:
    """In production and its rehearsal mutual TLS is strict in each namespace; development lets plaintext in."""
    for overlay in ("prod", "staging"):
        rules = kinds(render("-f", f"values/{overlay}.yaml"), "PeerAuthentication")
        assert {(rule["metadata"]["namespace"], rule["spec"]["mtls"]["mode"]) for rule in rules} == {
            ("ml-serving", "STRICT"),
            ("ml-training", "STRICT"),
        }
    (rule,) = kinds(render("-f", "values/dev.yaml"), "PeerAuthentication")
    assert rule["spec"]["mtls"]["mode"] == "PERMISSIVE"


def test_environments_have_host_names_of_their_own(render: Render) -> None:
    """No two environments answer to one name."""
    names = [
        find(render("-f", f"values/{overlay}.yaml"), "HTTPRoute", "inference-route")["spec"]["hostnames"][0]
        for overlay in ("dev", "staging", "prod")
    ]
    assert len(set(names)) == 3


def _recommended(render: Render) -> dict[str, dict[str, Any]]:
    objects = render("-f", "values/recommended.yaml")
    types = find(objects, "MeshPolicy", "ml-mesh-mesh-policy", "ml-mesh")["spec"]["endpoints"]["types"]
    rule = find(objects, "VirtualService", "inference-routing")["spec"]["http"][0]
    return {
        "chat": types["chat"],
        "embeddings": types["embeddings"],
        "v2": {"timeout": rule["timeout"], **rule["retries"]},
    }


def test_recommended_never_repeats_a_generation(render: Render) -> None:
    """Chat is tried again only where no server has begun the request, and no timeout of a try ends an answer early."""
    chat = _recommended(render)["chat"]
    assert set(chat["retryOn"].split(",")) == {"connect-failure", "refused-stream", "reset-before-request"}
    assert chat["perTryTimeout"] is None
    assert chat["timeout"] == "600s"


@pytest.mark.parametrize("name", ["embeddings", "v2"])
def test_recommended_retries_can_run(render: Render, name: str) -> None:
    """All tries and the longest pauses between them fit into the timeout, and the end of a try causes the next."""
    block = _recommended(render)[name]
    tries = (block["attempts"] + 1) * duration_ms(block["perTryTimeout"]) + block["attempts"] * 250
    assert tries <= duration_ms(block["timeout"])
    assert "gateway-error" in block["retryOn"].split(",")
