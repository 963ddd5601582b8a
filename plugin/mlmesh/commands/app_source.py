"""The source of an Argo CD Application, as its repo server tells it a plugin: parameters, and files of the repository.

https://argo-cd.readthedocs.io/en/stable/operator-manual/config-management-plugins/#using-environment-variables-in-your-plugin
"""

import json
import os
import re
from glob import glob, has_magic
from pathlib import Path, PurePosixPath
from typing import Any

from mlmesh.model.errors import InputError
from mlmesh.options import BASELINE, CONTEXT, POLICY, WARN_ONLY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# What plugin.yaml announces: its name and the field of Argo CD's parameter that holds it.
PARAMETERS = {
    "release-name": "string",
    "values-files": "array",
    "values": "string",
    "helm-parameters": "map",
    "helm-string-parameters": "map",
    "skip-crds": "string",
}
FORWARDED = (POLICY, CONTEXT, BASELINE, WARN_ONLY)  # a report would be a file in the sidecar that nobody sees
_PREFIX = "ARGOCD_ENV_MLMESH_"


class AppSource:
    """The application that ``environ`` describes, with its source's folder. Raises InputError where it is no such."""

    def __init__(self, environ: "Mapping[str, str]", folder: Path) -> None:
        if not environ.get("ARGOCD_APP_NAME"):
            raise InputError(
                "ARGOCD_APP_NAME is not set: this command is a plugin's of Argo CD",
                remedy="elsewhere use mlmesh render",
            )
        self.environ = environ
        self.folder = folder.resolve()
        self.root = _root(self.folder, environ.get("ARGOCD_APP_SOURCE_PATH", ""))
        self.parameters = _parameters(environ.get("ARGOCD_APP_PARAMETERS", ""))

    def arguments(self, inline: Path) -> list[str]:
        """The arguments of `helm template`, as Argo CD itself would have them; ``inline`` takes the values as text."""
        environ, given = self.environ, self.parameters
        name = given.get("release-name") or environ["ARGOCD_APP_NAME"]
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", name):  # Helm would take it for an option
            raise _wrong("release-name", f"{name!r} is no name of a release")
        made = [name, "."]
        if environ.get("ARGOCD_APP_NAMESPACE"):
            made.append(f"--namespace={environ['ARGOCD_APP_NAMESPACE']}")
        if environ.get("KUBE_VERSION"):
            made.append(f"--kube-version={environ['KUBE_VERSION']}")
        made += [f"--api-versions={each}" for each in environ.get("KUBE_API_VERSIONS", "").split(",") if each]
        if not self._is_on("skip-crds"):
            made.append("--include-crds")
        made += [f"--values={file}" for file in self._files(given.get("values-files", ()), "values-files")]
        if given.get("values"):
            inline.write_text(given["values"], encoding="utf-8")
            made.append(f"--values={inline}")
        for name, flag in (("helm-parameters", "--set"), ("helm-string-parameters", "--set-string")):
            made += [f"{flag}={key}={_escaped(value)}" for key, value in sorted(given.get(name, {}).items())]
        return made

    def settings(self) -> dict[str, str]:
        """The post-renderer's variables that the Application's `plugin.env` sets, which Argo CD gives a prefix.

        What the sidecar's own environment sets is the platform's word, which no Application changes.
        """
        known = {option.variable: option for option in FORWARDED}
        made = {}
        for name, value in self.environ.items():
            if not name.startswith(_PREFIX):
                continue
            variable = name.removeprefix("ARGOCD_ENV_")
            if variable not in known:
                raise InputError(
                    f"{variable} cannot be set by an Application",
                    place="spec.source.plugin.env",
                    remedy=f"these can: {', '.join(known)}; others are the sidecar's own environment",
                )
            if variable in self.environ:
                raise InputError(
                    f"{variable} is set by the sidecar, for all applications",
                    place="spec.source.plugin.env",
                    remedy="leave it out, or ask who runs this Argo CD",
                )
            if known[variable].metavar == "FILE":
                names = value.split(":") if known[variable].multiple else [value]
                made[variable] = ":".join(map(str, self._files([each for each in names if each], variable)))
            else:
                made[variable] = value
        return made

    def _is_on(self, name: str) -> bool:
        word = self.parameters.get(name) or "false"
        if word not in ("true", "false"):
            raise _wrong(name, f'it is neither "true" nor "false": {word}')
        return word == "true"

    def _files(self, names: "Sequence[str]", what: str) -> "list[Path]":
        """The files, in their order, each once; a pattern's by name, without those that are named themselves."""
        named = {self._inside(name, what) for name in names if not has_magic(name)}
        found: dict[Path, None] = {}
        for name in names:
            for path in self._found(name, what):
                if not has_magic(name) or path not in named:
                    found[path] = None
        return list(found)

    def _found(self, name: str, what: str) -> "Iterator[Path]":
        if not has_magic(name):
            path = self._inside(name, what)
            if not path.is_file():
                raise _wrong(what, f"there is no file {name} in the repository")
            yield path
            return
        start = self.root if name.startswith("/") else self.folder
        matches = sorted(glob(name.lstrip("/"), root_dir=start, recursive=True))
        if not matches:
            raise _wrong(what, f"no file is matched by {name}")
        yield from (self._inside(f"{'/' if start == self.root else ''}{match}", what) for match in matches)

    def _inside(self, name: str, what: str) -> Path:
        """The file, links followed: from the source's folder, or with a slash in front from the repository's root."""
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", name):
            raise _wrong(what, f"{name} is no file of the repository")
        path = (self.root / name.lstrip("/") if name.startswith("/") else self.folder / name).resolve()
        if not path.is_relative_to(self.root):
            raise _wrong(what, f"{name} leads out of the repository")
        return path


def _root(folder: Path, source: str) -> Path:
    """The folder of the repository, or of the part of it that Argo CD sent: all that the source's path tells of."""
    root = folder
    for part in reversed(PurePosixPath(source).parts):
        if part in (".", "/") or root.name != part:
            break
        root = root.parent
    return root


def _parameters(text: str) -> dict[str, Any]:
    """The Application's parameters by name, each of its announced type."""
    try:
        given = json.loads(text or "null") or []
        entries = [(each["name"], each) for each in given]
    except (ValueError, TypeError, KeyError):
        raise InputError("it is no list of parameters", place="ARGOCD_APP_PARAMETERS") from None
    found: dict[str, Any] = {}
    for name, entry in entries:
        field = PARAMETERS.get(name)
        if field is None:
            raise _wrong(name, f"there is no such parameter; there are {', '.join(PARAMETERS)}")
        others = [each for each in ("string", "array", "map") if each != field and entry.get(each) is not None]
        if others:
            raise _wrong(name, f"it is given as {others[0]}, and read as {field}")
        found[name] = entry.get(field) or {"string": "", "array": [], "map": {}}[field]
    return found


def _escaped(value: str) -> str:
    """A value for --set that stays one, as Argo CD escapes it: commas part values, but in a list."""
    return value if value.startswith("{") and value.endswith("}") else re.sub(r"(?<!\\),", r"\\,", value)


def _wrong(name: str, what: str) -> InputError:
    return InputError(what, place=f"spec.source.plugin, {name}", remedy="see docs/hosts/argocd.md")


def chart_dependencies(folder: Path) -> "list[dict[str, Any]]":
    """The dependencies that Chart.yaml names. Raises InputError where there is none that can be read."""
    import yaml

    try:
        chart = yaml.safe_load((folder / "Chart.yaml").read_bytes())
        return [dict(each) for each in chart.get("dependencies") or ()]
    except OSError as problem:
        raise InputError(
            f"there is no chart: {os.strerror(problem.errno or 0)}",
            place="Chart.yaml",
            remedy="let the Application's spec.source.path be the chart's folder",
        ) from None
    except (yaml.YAMLError, AttributeError, TypeError, ValueError):
        raise InputError("it is no chart's description", place="Chart.yaml", remedy="see helm lint") from None
