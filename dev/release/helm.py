"""The chart's archive and that of Helm 4's plugin, packed by Helm 4, which signs them."""

import json
import os
import re
import tempfile
from pathlib import Path

from dev.changelog import CHANGELOG, changes, notes
from dev.helm import Helm
from dev.progress import StepError
from dev.release.signing import Key


def make(sources: Path, out: Path, epoch: int, version: str, key: Key | None) -> list[Path]:
    """Write both archives to `out`, and their provenance where there is a key; the archives' paths are returned."""
    chart = _tell_changes(sources, version)
    os.utime(chart, (epoch, epoch))
    with tempfile.TemporaryDirectory(prefix="mlmesh-dist-") as home:
        helm = Helm("helm4", Path(home))
        signed = ["--sign", *key.for_helm()] if key else ["--sign=false"]
        for command in (["package", "chart"], ["plugin", "package", "plugin/mlmesh-post"]):
            done = helm.run(*command, *signed, "--destination", str(out.absolute()), cwd=sources)
            if done.returncode:
                raise StepError(f"helm {' '.join(command)} failed:\n{done.stderr.strip()}")
    return [out / f"ml-mesh-{version}.tgz", out / f"mlmesh-post-{version}.tgz"]


def _tell_changes(sources: Path, version: str) -> Path:
    """Write the version's changes into Chart.yaml, as Artifact Hub shows them; only the packed one has them."""
    section = notes((sources / CHANGELOG.name).read_text(), version)
    told = [{"kind": each.kind.lower(), "description": first_sentence(each.text)} for each in changes(section)]
    chart = sources / "chart" / "Chart.yaml"
    # The annotations stand last, and a value that is JSON is YAML, too.
    lines = "".join(f"    - {json.dumps(each, ensure_ascii=False)}\n" for each in told)
    chart.write_text(f"{chart.read_text().rstrip()}\n  artifacthub.io/changes: |\n{lines}")
    return chart


def first_sentence(text: str) -> str:
    """The first sentence of an entry, without its Markdown and lists: Artifact Hub shows plain text, Helm stores it."""
    plain = re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", text).replace("**", "").replace("`", "")
    return re.split(r"[.;] |: - ", plain, maxsplit=1)[0].rstrip(".:")
