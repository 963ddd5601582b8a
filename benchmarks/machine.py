"""Where and with what a run was made."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

import mlmesh
from benchmarks.contenders import CONFTEST, HELM_NAMES, ISTIOCTL, KUSTOMIZE, Bench
from benchmarks.installed import versions
from dev.recipes import PROGRAMS, GoProgram


def surroundings(bench: Bench) -> dict[str, str]:
    """Date (UTC), kind of machine and the version of everything that was run, by what they are called in the docs."""
    own = {"mlmesh": mlmesh.__version__, **versions(bench.bin)}
    for name in (KUSTOMIZE, ISTIOCTL, CONFTEST, *HELM_NAMES):
        recipe = PROGRAMS[name]
        if isinstance(recipe, GoProgram):
            own[name] = recipe.version
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": (
            f"{len(os.sched_getaffinity(0))} cores of {_processor()}, {_memory() / 1e9:.0f} GB of memory, "
            f"{platform.system()} {platform.release().split('-')[0]}, {platform.machine()}"
        ),
        "versions": ", ".join(f"{name} {version}" for name, version in own.items()),
        "load": f"{os.getloadavg()[0]:.1f}",
    }


def _processor() -> str:
    """The processor's name, as Linux tells it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "an unnamed processor"


def _memory() -> int:
    """Bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
