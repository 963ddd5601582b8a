"""The one version of the chart, the plugin and the package: every place that holds it, and how it is raised.

python -m dev.version          print it; exit 1 where places differ
python -m dev.version 0.2.0    write it everywhere, and what is unreleased in CHANGELOG.md under it
"""

import datetime as dt
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from dev.changelog import CHANGELOG, released
from dev.progress import StepError, say
from dev.toolchain import ROOT

# Every place, by file: a pattern whose only group is the version. What a chart's MeshPolicy needs of the plugin
# (mlmesh.dev/requires) is none: it rises with the policy's own fields.
PLACES = (
    ("pyproject.toml", r'^version = "(.+)"$'),
    ("plugin/mlmesh/__init__.py", r'^__version__ = "(.+)"$'),
    ("plugin/mlmesh-post/plugin.yaml", r"^version: (.+)$"),
    ("chart/Chart.yaml", r"^version: (.+)$"),
    ("chart/Chart.yaml", r"^appVersion: (.+)$"),
    ("docs/install.md", r"^VERSION=(.+)$"),
    ("deploy/argocd/kustomization.yaml", r"newTag: ([\d.]+)\}"),
    ("deploy/github/mesh.yml", r"mlmesh==([\d.]+)"),
    ("deploy/gitlab/mesh.gitlab-ci.yml", r"mlmesh:([\d.]+)"),
    ("docs/hosts/argocd.md", r"newTag: ([\d.]+)\}"),
    ("docs/hosts/pre-commit.md", r"rev: v([\d.]+)$"),
)
# Semantic Versioning without build metadata, which neither OCI tags nor Python have. Python's form of a pre-release is
# another (0.2.0rc1), so there is none: a release is a release.
_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")


def version(root: Path = ROOT) -> str:
    """The version; StepError where a place has none, or two places differ."""
    found = {f"{name} ({pattern})": _find(root / name, pattern)[1] for name, pattern in PLACES}
    if len(set(found.values())) != 1:
        raise StepError("versions differ:\n" + "\n".join(f"  {place}: {each}" for place, each in found.items()))
    return next(iter(found.values()))


def raise_version(new: str, day: str, root: Path = ROOT) -> None:
    """Write the version `new` everywhere; StepError, and nothing written, where it is none or not above the present."""
    old = version(root)
    if not _VERSION.fullmatch(new):
        raise StepError(f"{new!r} is no version: it has the form 0.2.0")
    if _numbers(new) <= _numbers(old):
        raise StepError(f"{new} is not above {old}, the present version")
    changelog = root / CHANGELOG.name
    changed = {changelog: released(changelog.read_text(), new, day)}
    for name, pattern in PLACES:
        path = root / name
        text = changed.get(path, path.read_text())
        place = re.search(pattern, text, re.MULTILINE)
        assert place, name  # noqa: S101 - version() has seen it
        changed[path] = text[: place.start(1)] + new + text[place.end(1) :]
    for path, text in changed.items():
        path.write_text(text)


def _find(path: Path, pattern: str) -> re.Match[str]:
    found = list(re.finditer(pattern, path.read_text(), re.MULTILINE))
    if len(found) != 1:
        raise StepError(f"{path.name} has {len(found)} lines like {pattern}; it must have one")
    return found[0]


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(".")]


def main(arguments: Sequence[str]) -> int:
    """Print the version, or raise it to the one given; 1 where that cannot be."""
    try:
        if arguments:
            (new,) = arguments
            raise_version(new, dt.datetime.now(dt.UTC).date().isoformat())
            say(f"every place is {new} now; look at CHANGELOG.md, then commit and tag v{new}")
        else:
            print(version())
    except StepError as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
