"""The releases that each rule is held to: ``tests/plugin/invariants/CODE/{bad.yaml,good.yaml,expected.txt}``.

``python -m tests.support.rule_cases CODE...`` writes what is said of the bad ones now, to be read before it is kept.
More of them, ``bad-WHAT.yaml`` and ``good-WHAT.yaml``, stand beside; each ``bad-WHAT.yaml`` has its ``WHAT.txt``.
"""

import json
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from click.testing import CliRunner

from mlmesh.cli import mlmesh

CASES = Path(__file__).parents[1] / "plugin" / "invariants"
OPTIONS = {"MLM003": ("--require-stamp",)}  # what a rule is asked with
# What most of these small releases leave out, for the mesh's owner or for the post-renderer to see to.
QUIET = frozenset({"MLM212", "MLM305", "MLM506"})


def check(file: Path, *options: str) -> tuple[int, str]:
    """The exit code and the output of ``mlmesh check`` on a case. ``options`` come behind those of its rule."""
    code = file.resolve().parent.name
    options = (*(OPTIONS.get(code) or ("--policy", _quiet(code))), *options)
    name = file.name if file.parent == Path.cwd() else str(file)
    done = CliRunner().invoke(mlmesh, ["check", *options, name], env={"NO_COLOR": "1"})
    return done.exit_code, done.output


@cache
def _quiet(code: str) -> str:
    """A policy by which the cases of a rule speak of it alone."""
    severity = dict.fromkeys(sorted(QUIET - {code}), "off")
    policy = {"kind": "MeshPolicy", "metadata": {"name": "cases"}, "spec": {"invariants": {"severity": severity}}}
    file = Path(mkdtemp()) / "policy.json"
    file.write_text(json.dumps({"apiVersion": "mlmesh.dev/v1alpha1", **policy}))
    return str(file)


def findings(file: Path, *options: str) -> list[dict[str, Any]]:
    """What is found in a case, as JSON tells it."""
    _, text = check(file, "--format", "json", *options)
    found: list[dict[str, Any]] = json.loads(text)["findings"]
    return found


def bad_cases(code: str) -> Iterator[tuple[Path, Path]]:
    """Each bad release of a rule, with the file that says what is told of it."""
    for file in sorted((CASES / code).glob("bad*.yaml")):
        what = file.stem.removeprefix("bad").removeprefix("-") or "expected"
        yield file, file.with_name(f"{what}.txt")


def good_cases(code: str) -> list[Path]:
    """The releases of which a rule says nothing."""
    return sorted((CASES / code).glob("good*.yaml"))


if __name__ == "__main__":
    import os

    for each in sys.argv[1:]:
        os.chdir(CASES / each)
        for case, told in bad_cases(each):
            told.write_text(check(case)[1])
