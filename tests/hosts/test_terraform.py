"""docs/hosts/terraform.md: what its blocks say, given to the Helm that the provider is built from."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import hcl2
import pytest

from dev.toolchain import ROOT
from tests.cluster.releases import Releases
from tests.support.pages import block, blocks

PAGE = "docs/hosts/terraform.md"
PROVIDER = "helm3-min"  # 3.18, whose code the provider has in it


def release(number: int) -> dict[str, Any]:
    """The `helm_release` of a block of the page, without the quotes that the parser leaves."""
    (resource,) = hcl2.loads(blocks(PAGE, "hcl")[number])["resource"]
    ((_, named),) = resource.items()
    ((_, fields),) = named.items()
    return json.loads(json.dumps(fields).replace('\\"', ""))  # type: ignore[no-any-return]


def command(fields: dict[str, Any], verb: str) -> str:
    """The call of Helm that the provider makes of it."""
    files = [re.sub(r"^\$\{file\((.+)\)\}$", r"\1", value) for value in fields["values"]]
    rendering = fields["postrender"]
    rendering = rendering[0] if isinstance(rendering, list) else rendering
    assert fields["create_namespace"] in (True, "true")
    words = [verb, fields["name"], fields["chart"], "--namespace", fields["namespace"], "--create-namespace"]
    for file in files:
        assert (ROOT / file).is_file()
        words += ["--values", file]
    words += ["--post-renderer", rendering["binary_path"]]
    for argument in rendering["args"]:
        words += ["--post-renderer-args", argument]
    return shlex.join(words)


def settings() -> dict[str, str]:
    """What the page exports."""
    return dict(word.split("=", 1) for word in shlex.split(block(PAGE, "sh"))[1:])


@pytest.mark.parametrize("number", [0, 1], ids=["provider 3", "provider 2"])
def test_what_the_resource_says_installs(releases: Releases, tmp_path: Path, number: int) -> None:
    """With its program, arguments and the environment: the pods get their sizes, and the report is there as JSON."""
    report = tmp_path / settings()["MLMESH_REPORT"]
    environment = {**settings(), "MLMESH_REPORT": str(report)}
    releases.ok(PROVIDER, command(release(number), "install"), **environment)
    assert releases.revisions(namespace="ml-mesh") == [(1, "deployed")]
    deployment = releases.cluster.get("deployment", "inference-v1", "ml-serving")
    assert deployment is not None
    assert "sidecar.istio.io/proxyCPU" in deployment["spec"]["template"]["metadata"]["annotations"]
    assert json.loads(report.read_text())["summary"]["errors"] == 0


def test_a_refusal_reads_as_on_the_page(releases: Releases) -> None:
    """The frame is Helm's, which the provider passes on; the state is as it was."""
    releases.ok(PROVIDER, command(release(0), "install"))
    said = releases.refused(PROVIDER, command(release(0), "upgrade") + " --set callers.frontend.namespace=serving")
    frame = block(PAGE, "text").strip().removeprefix("Error: ")
    begin, _, end = frame.partition("mlmesh-post")
    first = next(line for line in said.splitlines() if begin in line)
    assert first.endswith(end)
    assert "ERROR MLM401" in said
    assert releases.revisions(namespace="ml-mesh") == [(1, "deployed")]
