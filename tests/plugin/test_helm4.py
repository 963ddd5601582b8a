"""What Helm 4 shows of a refusal, for each supported Helm 4: every line of it, whatever the line holds."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dev.helm import Helm
from mlmesh.reports.helm4 import block_scalar

PLUGIN = """\
apiVersion: v1
type: postrenderer/v1
name: says
version: 0.1.0
runtime: subprocess
runtimeConfig:
  platformCommand:
    - command: cat
      args: ["${SAYS}"]
"""
NASTY = [
    "# looks like a comment",
    "key: value",
    "- item",
    "--- separator",
    "...",
    "%YAML 1.2",
    "{{ template }} {flow: [map]}",
    "'single' \"double\" `back`",
    "trailing blanks   ",
    "\tbegins with a tab, and\thas one inside",
    "    indented by four",
    "",
    "| > & * ! @ ,",
    "ends with a colon:",
    "ends with a backslash \\",
    "unicode: µ é 漢字 €",
    "beyond the basic plane: \U0001f600",
    "controls: \x00 \x07 \x1b[31m \x7f \x85 \u2028 \u2029 \ufeff \u200b",
    "x" * 5000,
    "~",
    "null",
    "true",
]
PRINTED = [line.expandtabs(4).rstrip() for line in NASTY]
PRINTED[16] = "beyond the basic plane: \\U0001f600"
PRINTED[17] = r"controls: \x00 \x07 \x1b[31m \x7f \x85 \u2028 \u2029 \ufeff \u200b"


@pytest.mark.parametrize("name", ["helm4", "helm4-min"])
@pytest.mark.parametrize("first", ["mlmesh: an ordinary first line", "  begins with blanks", "# begins like a comment"])
def test_every_line_of_a_message_is_printed_as_it_is(
    helm: Callable[[str], Helm], tmp_path: Path, name: str, first: str
) -> None:
    """No line is lost, folded or quoted, in Helm's own error; what cannot be printed is escaped."""
    program = helm(name)
    plugin = Path(program.environment["HELM_DATA_HOME"]) / "plugins" / "says"
    plugin.mkdir(parents=True, exist_ok=True)
    (plugin / "plugin.yaml").write_text(PLUGIN)
    says = tmp_path / "says"
    says.write_bytes(block_scalar("\n".join([first, *NASTY])))
    done = program.run("template", "x", "chart/", "--post-renderer", "says", env={"SAYS": str(says)})
    assert done.returncode == 1
    assert done.stdout == ""
    expected = ["|", *(f"  {line}".rstrip() for line in [first.strip(), *PRINTED])]
    shown = done.stderr.split("node contents:\n", 1)[1].split("\n")
    assert shown[: len(expected)] == expected
    assert "".join(shown[len(expected) :]) == "Use --debug flag to render out invalid YAML"  # Helm's own last word
