"""The commands that are compared, on one input."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.installed import clean_environment, installed
from benchmarks.measure import Command
from dev.helm import Helm
from dev.toolchain import ROOT, tool

US = "mlmesh-post"
IMPORT_YAML = "import yaml"
C_LOADER = "CSafeLoader"
KUSTOMIZE = "kustomize"
ISTIOCTL = "istioctl"
CONFTEST = "conftest"
HELM_NAMES = ("helm3", "helm4")
RENDERED = " + mlmesh-post"
OTHERS = (IMPORT_YAML, C_LOADER, KUSTOMIZE, ISTIOCTL, CONFTEST, *(n + r for n in HELM_NAMES for r in ("", RENDERED)))

_READ = "import sys, yaml\nfor _ in yaml.load_all(sys.stdin.buffer.read(), yaml.CSafeLoader): pass\n"
_REGO = """\
package main

deny contains message if {
  input.kind == "Deployment"
  not input.spec.template.metadata.labels
  message := "the pods have no labels"
}
"""
_PATCH = """\
resources: [stream.yaml]
patches:
  - target: {kind: Deployment, name: NAME}
    patch: |-
      - {op: add, path: /metadata/annotations, value: {patched: "yes"}}
"""
# A chart that renders its files as they are. Helm takes no file above 5 MiB, so the stream comes in parts.
_TEMPLATE = '{{ range $path, $_ := .Files.Glob "parts/*" }}{{ $.Files.Get $path }}\n{{ end }}'
_CHART = "apiVersion: v2\nname: stream\nversion: 0.1.0\n"
_PART_BYTES = 3_000_000

_JUDGED = 1  # the post-renderer's exit code where all is done but an invariant is broken; some public charts do that
_FINDINGS = 79  # istioctl's exit code where it has something to say


class Bench:
    """The programs and folders that all commands share; `scratch` is an empty folder for what they need."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.bin = installed()
        self.environment = clean_environment()
        self.policy = scratch / "policy"
        self.policy.mkdir()
        (self.policy / "pods.rego").write_text(_REGO)
        self._helms = {name: Helm(name, scratch / name) for name in HELM_NAMES}

    def commands(self, stream: Path, *, chart: tuple[str, ...] = ()) -> list[Command]:
        """What is run on a stream; `chart` is how Helm makes it where a chart does, else it is wrapped as one.

        They serve until the next stream's are asked for.
        """
        python = str(self.bin / "python")
        return [
            self.ours(stream),
            Command(IMPORT_YAML, [python, "-c", "import yaml"], self.environment),
            Command(C_LOADER, [python, "-c", _READ], self.environment, stream),
            Command(KUSTOMIZE, [str(tool("kustomize")), "build", str(self._kustomization(stream))], self.environment),
            Command(
                ISTIOCTL,
                [str(tool("istioctl")), "analyze", "--use-kube=false", str(stream)],
                self.environment,
                accepted=(0, _FINDINGS),
            ),
            Command(
                CONFTEST,
                [str(tool("conftest")), "test", "--policy", str(self.policy), str(stream)],
                self.environment,
                documents=_documents(stream),
            ),
            *self._helm(chart or (str(self._chart(stream)),)),
        ]

    def ours(self, stream: Path, name: str = US) -> Command:
        """The post-renderer on a stream."""
        return Command(name, [str(self.bin / "mlmesh-post")], self.environment, stream, accepted=(0, _JUDGED), least=3)

    def render(self, *chart: str) -> str:
        """What the oldest of the Helms renders of a chart."""
        return self._helms[HELM_NAMES[0]].run("template", "release", *chart, cwd=ROOT).stdout

    def _helm(self, chart: tuple[str, ...]) -> Iterator[Command]:
        for name, helm in self._helms.items():
            path = os.pathsep.join([str(self.bin), helm.environment["PATH"]])
            environment = {key: value for key, value in helm.environment.items() if not key.startswith("PYTHON")}
            words = [str(helm.program), "template", "release", *chart]
            for suffix, arguments in (("", []), (RENDERED, ["--post-renderer", "mlmesh-post"])):
                yield Command(name + suffix, [*words, *arguments], {**environment, "PATH": path})

    def _kustomization(self, stream: Path) -> Path:
        """A folder where kustomize adds an annotation to the stream's first Deployment."""

        def fill(folder: Path) -> None:
            shutil.copyfile(stream, folder / "stream.yaml")  # a link out of the folder is refused
            (folder / "kustomization.yaml").write_text(_PATCH.replace("NAME", _first_deployment(stream)))

        return self._folder("kustomization", fill)

    def _chart(self, stream: Path) -> Path:
        """The stream as a chart."""

        def fill(folder: Path) -> None:
            (folder / "templates").mkdir()
            (folder / "parts").mkdir()
            (folder / "Chart.yaml").write_text(_CHART)
            (folder / "templates" / "stream.yaml").write_text(_TEMPLATE)
            with stream.open("rb") as lines:
                _cut(lines, lambda number: folder / "parts" / f"{number:04d}.yaml")

        return self._folder("chart", fill)

    def _folder(self, what: str, fill: Callable[[Path], None]) -> Path:
        folder = self.scratch / what
        shutil.rmtree(folder, ignore_errors=True)  # the last stream's
        folder.mkdir()
        fill(folder)
        return folder


def _cut(lines: Iterator[bytes], place: Callable[[int], Path]) -> None:
    """Write the lines into parts of some _PART_BYTES, cut between documents."""
    number, size = 0, 0
    part = place(number).open("wb")
    try:
        for line in lines:
            if size > _PART_BYTES and line.startswith(b"---"):
                part.close()
                number, size = number + 1, 0
                part = place(number).open("wb")
            part.write(line)
            size += len(line)
    finally:
        part.close()


def _documents(stream: Path) -> int:
    """How many documents there are at least: those whose kind stands at the start of a line."""
    with stream.open("rb") as lines:
        return sum(line.startswith(b"kind:") for line in lines)


def _first_deployment(stream: Path) -> str:
    """The name of the first Deployment; kustomize refuses a patch that fits nothing, so there must be one."""
    with stream.open(encoding="utf-8") as lines:
        for line in lines:
            if line.rstrip() == "kind: Deployment":
                return next(text.split(":", 1)[1].strip() for text in lines if text.startswith("  name:"))
    return "none"
