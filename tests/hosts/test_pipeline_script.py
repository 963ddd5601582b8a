"""deploy/pipeline.sh where nothing was installed yet; tests/mesh/test_pipeline.py runs it over a release that works."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from dev.helm import Helm
from dev.toolchain import ROOT

# Helm itself where no cluster is asked; in the cluster's place a file that says whether something was installed.
HELM = """\
#!/bin/sh
echo "$1" >> calls
case "$1" in
  get | history | test) [ -f installed ] || { echo "Error: release: not found" >&2; exit 1; } ;;
  upgrade) [ "${WORKS:-yes}" = yes ] || exit 1; touch installed ;;
  *) exec %s "$@" ;;
esac
"""


@pytest.mark.parametrize("name", ["helm3", "helm4"])
@pytest.mark.parametrize(("works", "code"), [("yes", 0), ("no", 1)])
def test_the_first_install_of_all(
    helm: Callable[[str], Helm], name: str, works: str, code: int, tmp_path: Path
) -> None:
    """It is made and tested, or told: a release that is not there yet has no history, which is no failure."""
    found = helm(name)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "helm").write_text(HELM % found.program)
    (tmp_path / "bin" / "helm").chmod(0o755)
    (tmp_path / "chart").symlink_to(ROOT / "chart")
    shutil.copytree(ROOT / "values", tmp_path / "values")
    environment = {**found.environment, "PATH": f"{tmp_path / 'bin'}:{found.environment['PATH']}", "WORKS": works}
    done = subprocess.run(
        ["bash", str(ROOT / "deploy" / "pipeline.sh"), "dev"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    calls = (tmp_path / "calls").read_text().split()
    assert calls[-1] == ("test" if code == 0 else "upgrade")
    assert "upgrade" in calls
    assert ("the first install does not work" in done.stderr) == (code == 1)
    assert " 0 removed, 0 changed, 0 the same" in (tmp_path / "reports" / "dev.diff.md").read_text()
