"""helm-unittest runs the post-renderer on documents under heads of its own, `#### file: ...`, and judges its output."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.support.streams import BIN, pod

SUITE = """\
suite: post-rendered
postRenderer:
  cmd: mlmesh-post
tests:
  - it: gives the inference pods their size
    template: templates/inference.yaml
    asserts:
      - equal:
          path: spec.template.metadata.annotations["sidecar.istio.io/proxyCPU"]
          value: 500m
  - it: gives the training pods theirs
    template: templates/training.yaml
    asserts:
      - equal:
          path: spec.template.metadata.annotations["sidecar.istio.io/proxyCPU"]
          value: {training}
"""


def run(program: str, chart: Path, training: str) -> subprocess.CompletedProcess[str]:
    (chart / "tests" / "suite_test.yaml").write_text(SUITE.replace("{training}", training))
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    return subprocess.run(
        [program, str(chart)], env=environment, capture_output=True, text=True, check=False, timeout=120
    )


def test_its_suites_see_the_post_rendered_release(tmp_path: Path, tool: Callable[[str], str]) -> None:
    """The real helm-unittest: assertions on injected values hold, and a wrong one fails."""
    for folder in ("templates", "tests"):
        (tmp_path / folder).mkdir()
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: chart\nversion: 1.0.0\n")
    (tmp_path / "templates" / "inference.yaml").write_text(pod())
    (tmp_path / "templates" / "training.yaml").write_text(pod("StatefulSet", role="training", name="job"))
    good, bad = (run(tool("helm-unittest"), tmp_path, size) for size in ("100m", "9m"))
    assert good.returncode == 0, good.stdout + good.stderr
    assert "2 passed, 2 total" in good.stdout
    assert bad.returncode == 1
