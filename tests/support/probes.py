"""Charts that show the values that their templates see: Helm itself says what layers of values make."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dev.helm import Helm
from mlmesh.model.errors import InputError
from mlmesh.values.environment import merge

Values = dict[str, Any]
REFUSED = "refused"


def write_chart(folder: Path, values: Values, about: Mapping[str, Any] | None = None) -> Path:
    """A chart with these defaults; the outermost has the template."""
    (folder / "templates").mkdir(parents=True, exist_ok=True)
    told = {"apiVersion": "v2", "name": folder.name, "version": "1.0.0", **(about or {})}
    (folder / "Chart.yaml").write_text(json.dumps(told))
    (folder / "values.yaml").write_text(json.dumps(values))
    if folder.parent.name != "charts":
        (folder / "templates" / "probe.yaml").write_text("values: {{ toJson .Values }}\n")
    return folder


def seen(helm: Helm, chart: Path, *arguments: str, stdin: str = "") -> str:
    """The values that templates see, in a form that tells what differs; REFUSED where Helm refuses the call."""
    done = helm.run("template", "x", str(chart), "--skip-schema-validation", *arguments, stdin=stdin)
    if done.returncode:
        return REFUSED
    return canonical(json.loads(done.stdout.partition("values: ")[2]))


def ours(helm: Helm, chart: Path, files: list[Path], settings: tuple[tuple[str, str], ...] = ()) -> str:
    """The same by mlmesh, without Helm."""
    try:
        read = [(str(file), file.read_bytes()) for file in files]
        return canonical(merge(str(chart), read, settings, helm=int(helm.name[4])).values.plain())
    except InputError:
        return REFUSED


def canonical(value: Any) -> str:
    """JSON with sorted keys in which a number is a float, as Helm's are."""
    return json.dumps(_floats(value), sort_keys=True, indent=1)


def _floats(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _floats(below) for key, below in value.items()}
    if isinstance(value, list):
        return [_floats(below) for below in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
