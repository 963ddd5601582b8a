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
  get | history | test)
    [ -f installed ] || { echo "Error: release: not found" >&2; exit 1; }
    [ "$1" != history ] || cat installed ;;
  upgrade)
    [ -z "${REVISION:-}" ] || echo "$REVISION" >> installed
    [ "${WORKS:-yes}" = yes ] || exit 1; touch installed ;;
  rollback) echo "to $3" >> calls ;;
  *) exec %s "$@" ;;
esac
"""


# As `helm history` prints it, in columns with tabs between them.
HISTORY = """\
REVISION\tUPDATED                 \tSTATUS    \tCHART        \tAPP VERSION\tDESCRIPTION
2       \tFri Nov 27 07:00:00 2026\tsuperseded\tml-mesh-0.1.0\t0.1.0      \tUpgrade complete
3       \tFri Nov 27 07:10:00 2026\tdeployed  \tml-mesh-0.1.0\t0.1.0      \tUpgrade complete
4       \tFri Nov 27 07:20:00 2026\tfailed    \tml-mesh-0.1.0\t0.1.0      \tUpgrade failed: none is deployed
"""


def pipeline(found: Helm, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The script, run for the environment dev in a folder with chart, overlays and a Helm that sees no cluster."""
    (folder / "bin").mkdir()
    (folder / "bin" / "helm").write_text(HELM % found.program)
    (folder / "bin" / "helm").chmod(0o755)
    (folder / "chart").symlink_to(ROOT / "chart")
    shutil.copytree(ROOT / "values", folder / "values")
    path = f"{folder / 'bin'}:{found.environment['PATH']}"
    return subprocess.run(
        ["bash", str(ROOT / "deploy" / "pipeline.sh"), "dev"],
        cwd=folder, env={**found.environment, "PATH": path, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["helm3", "helm4"])
@pytest.mark.parametrize(("works", "code"), [("yes", 0), ("no", 1)])
def test_the_first_install_of_all(
    helm: Callable[[str], Helm], name: str, works: str, code: int, tmp_path: Path
) -> None:
    """It is made and tested, or told: a release that is not there yet has no history, which is no failure."""
    done = pipeline(helm(name), tmp_path, WORKS=works)
    assert done.returncode == code, done.stdout + done.stderr
    calls = (tmp_path / "calls").read_text().split()
    assert calls[-1] == ("test" if code == 0 else "upgrade")
    assert "upgrade" in calls
    assert ("the first install does not work" in done.stderr) == (code == 1)
    assert " 0 removed, 0 changed, 0 the same" in (tmp_path / "reports" / "dev.diff.md").read_text()


def test_the_way_back_leads_to_what_worked(helm: Callable[[str], Helm], tmp_path: Path) -> None:
    """Not to the revision before, where that had failed as well."""
    (tmp_path / "installed").write_text(HISTORY)
    done = pipeline(
        helm("helm4"), tmp_path, WORKS="no", REVISION="5\tnow\tfailed\tml-mesh-0.1.0\t0.1.0\tUpgrade failed"
    )
    assert done.returncode == 1
    assert "revision 3 runs again" in done.stderr
    assert (tmp_path / "calls").read_text().splitlines()[-1] == "to 3"
