"""Puts the chart and the plugin of a signed release into an OCI registry, where Helm finds and verifies them.

python -m dev.release.publish registry.example.com/team     what `make dist` left in dist/

  registry.example.com/team/charts/ml-mesh:VERSION          the chart, with its provenance
  registry.example.com/team/plugins/mlmesh-post:VERSION     the plugin of Helm 4, with its provenance

Who may push is told by the credentials of `docker login`. A version is published once: what is there already, with the
same bytes, is left alone, so that a run that broke off can be repeated; with other bytes it is an error.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from dev.helm import Helm
from dev.progress import StepError, say
from dev.toolchain import ROOT, tool
from dev.version import version

PLUGIN = "application/vnd.helm.plugin.v1+json"
# Artifact Hub's own, for a file beside a chart: https://artifacthub.io/docs/topics/repositories/helm-charts/
_HUB_CONFIG = "application/vnd.cncf.artifacthub.config.v1+yaml"
_HUB_LAYER = "application/vnd.cncf.artifacthub.repository-metadata.layer.v1.yaml"


def publish(folder: Path, registry: str, *, plain_http: bool = False) -> None:
    """Push the release in `folder`; StepError where it is not signed, or its version is there with other bytes."""
    number = version()
    chart, plugin = folder / f"ml-mesh-{number}.tgz", folder / f"mlmesh-post-{number}.tgz"
    for file in (chart, plugin):
        if not file.with_name(f"{file.name}.prov").is_file():
            raise StepError(f"{file} has no provenance beside it: run make dist with a key")
    plain = ["--plain-http"] if plain_http else []
    if not _is_there(f"{registry}/charts/ml-mesh:{number}", chart, plain):
        with tempfile.TemporaryDirectory(prefix="mlmesh-publish-") as home:
            done = Helm("helm4", Path(home)).run("push", str(chart), f"oci://{registry}/charts", *plain)
        if done.returncode:
            raise StepError(f"helm push failed:\n{done.stderr.strip()}")
    if not _is_there(f"{registry}/plugins/mlmesh-post:{number}", plugin, plain):
        # Helm finds the layers by their titles, which are the names as given here: hence the folder.
        files = [plugin.name, f"{plugin.name}.prov"]
        reference = f"{registry}/plugins/mlmesh-post:{number}"
        _oras("push", reference, *plain, "--artifact-type", PLUGIN, *files, folder=folder)
    hub = [f"{registry}/charts/ml-mesh:artifacthub.io", *plain, "--config", f"/dev/null:{_HUB_CONFIG}"]
    _oras("push", *hub, f"artifacthub-repo.yml:{_HUB_LAYER}", folder=ROOT)


def _is_there(reference: str, archive: Path, plain: list[str]) -> bool:
    command = [str(tool("oras")), "manifest", "fetch", reference, *plain]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        if "not found" in done.stderr.lower() or "name unknown" in done.stderr.lower():
            return False
        raise StepError(f"oras manifest fetch {reference} failed:\n{done.stderr.strip()}")
    digest = f"sha256:{hashlib.sha256(archive.read_bytes()).hexdigest()}"
    if digest not in {layer["digest"] for layer in json.loads(done.stdout)["layers"]}:
        raise StepError(f"{reference} is there already, with other bytes: a version is published once")
    say(f"{reference} is there already")
    return True


def _oras(*arguments: str, folder: Path) -> None:
    done = subprocess.run([str(tool("oras")), *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StepError(f"oras {' '.join(arguments)} failed:\n{done.stderr.strip()}")


def main(arguments: Sequence[str]) -> int:
    """Publish what is in dist/; 1 where that fails, which is told."""
    parser = argparse.ArgumentParser(
        prog="python -m dev.release.publish",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("registry", help="host and path, without oci://")
    parser.add_argument("--folder", default="dist", help="where make dist has put the release (default: dist)")
    parser.add_argument("--plain-http", action="store_true", help="the registry speaks HTTP, as one on this machine")
    options = parser.parse_args(arguments)
    try:
        publish(ROOT / options.folder, options.registry, plain_http=options.plain_http)
    except StepError as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
