"""What the release holds, as CycloneDX: the package, each locked package that it needs, the chart and its images."""

import hashlib
import json
import os
import sys
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from dev.progress import run_step

SPEC = "1.6"
IMAGES = "artifacthub.io/images"

Component = dict[str, Any]


def make(sources: Path, wheel: Path, archives: list[Path], out: Path, epoch: int) -> None:
    """Write the bill of materials of the wheel, with its locked packages, and of Helm's archives to the file `out`.

    The locked packages are those of requirements.txt beside the wheel.

    The same release gives the same bytes. StepError where a package cannot be had, or has another hash than the locked.
    """
    _of_python(sources, wheel, out, epoch)
    bill = json.loads(out.read_text())
    main = bill["metadata"]["component"]
    main["hashes"] = _hashes(wheel)
    images = list(_images(sources / "chart" / "Chart.yaml"))
    for archive in archives:
        name = archive.name.removesuffix(f"-{main['version']}.tgz")
        of_chart = name == "ml-mesh"
        bill["components"].append(
            {
                "type": "application",
                "bom-ref": name,
                "name": name,
                "version": main["version"],
                "licenses": main["licenses"],
                "hashes": _hashes(archive),
                **({"purl": f"pkg:helm/{name}@{main['version']}"} if of_chart else {}),
            }
        )
        needs = [image["bom-ref"] for image in images] if of_chart else []
        bill["dependencies"].append({"ref": name, "dependsOn": [*needs, main["bom-ref"]]})
    bill["components"] += images
    bill["dependencies"] += [{"ref": image["bom-ref"]} for image in images]
    out.write_text(json.dumps(bill, indent=2, sort_keys=True) + "\n")


def _of_python(sources: Path, wheel: Path, out: Path, epoch: int) -> None:
    with tempfile.TemporaryDirectory(prefix="mlmesh-sbom-") as scratch:
        requirements = wheel.with_name("requirements.txt")
        home = Path(scratch) / "venv"
        venv.create(home, with_pip=False, symlinks=True)
        python = str(home / "bin" / "python")
        pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-compile"]
        run_step("installing what the package needs", [*pip, "--require-hashes", "--requirement", str(requirements)])
        run_step("installing the package", [*pip, "--no-index", str(wheel)])
        command = [sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "environment", python, "--output-reproducible"]
        command += ["--pyproject", str(sources / "pyproject.toml"), "--spec-version", SPEC, "--output-file", str(out)]
        environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch)}
        run_step("listing what the package needs", command, env=environment)


def _images(chart: Path) -> Iterator[Component]:
    """The images that Chart.yaml names, each as a component that only some releases need."""
    annotations = yaml.safe_load(chart.read_text())["annotations"]
    for item in yaml.safe_load(annotations[IMAGES]):
        repository, _, tag = item["image"].rpartition(":")
        yield {
            "type": "container",
            "bom-ref": item["image"],
            "name": repository,
            "version": tag,
            "scope": "optional",
            "purl": f"pkg:docker/{repository.split('/', 1)[1]}@{tag}?repository_url={repository.split('/', 1)[0]}",
            "description": f"{item['name']}, where values turn it on",
        }


def _hashes(file: Path) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": hashlib.sha256(file.read_bytes()).hexdigest()}]
