"""A Dockerfile's own lines, executed without a container engine: RUN in a changed root, COPY between roots.

The base images cannot be had here: this machine's files stand in for them, laid under each stage so that nothing that
a stage does reaches them. So it is not tested what the base images hold; every instruction of the Dockerfile is.
An instruction, option or base image that this module does not know is an error.
"""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from string import Template
from typing import NamedTuple

from dev.golang import go

# Docker's own, for an image that sets none.
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# What a build does not get from its caller, who has a Python environment around him.
_CALLERS = ("HELM_", "MLMESH_", "PYTHON", "VIRTUAL_ENV", "PATH")
_PIP = "/usr/local/lib/pip-of-the-base"


class Instruction(NamedTuple):
    """`RUN make all`: its name in capitals, and the rest of the line; continued lines are joined."""

    name: str
    rest: str


def instructions(text: str) -> Iterator[Instruction]:
    """The instructions in their order, without comments."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        name, _, rest = line.strip().partition(" ")
        yield Instruction(name.upper(), rest.strip())


class Stage:
    """A stage as it is built: its root, and what ENV, WORKDIR, USER, ENTRYPOINT and CMD have made of it."""

    def __init__(self, base: str, home: Path) -> None:
        self.root = home / "root"
        if "/golang:" in base:
            first = Path(go().command)
        elif "/python:" in base:
            first = Path(sys.executable).resolve()
        else:
            raise ValueError(f"nothing stands in for the base image {base}")
        self.shown = [*reversed(first.parents), first]
        self.environment = {"PATH": f"{first.parent}:{_PATH}"}
        self.arguments: dict[str, str] = {}
        self.directory = "/"
        self.user = "0:0"
        self.entrypoint: list[str] = []
        self.command: list[str] = []

    def apply(self, name: str, rest: str) -> None:
        """Take an instruction that only describes the image."""
        if name == "ARG":
            key, _, value = rest.partition("=")
            self.arguments[key] = self.expand(value)
        elif name == "ENV":
            self.environment |= dict(self.expand(each).split("=", 1) for each in shlex.split(rest))
        elif name == "USER":
            assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", rest), "a user by number: Kubernetes can tell that it is not root"
            self.user = rest
        elif name == "WORKDIR":
            self.directory = self.expand(rest)
        elif name in ("ENTRYPOINT", "CMD"):
            setattr(self, {"ENTRYPOINT": "entrypoint", "CMD": "command"}[name], json.loads(rest))
        elif name == "LABEL":
            assert all("=" in each for each in shlex.split(rest))
        else:
            raise ValueError(f"unknown instruction {name}")

    def expand(self, text: str) -> str:
        """`${NAME}` and `$NAME` replaced by ARG and ENV; KeyError for what is neither."""
        return Template(text).substitute(self.arguments | self.environment)


class Machine:
    """A mount namespace in which a Dockerfile is built and run. It ends with this process: nothing stays mounted."""

    def __init__(self, context: Path) -> None:
        self.context = context
        script = "mount -t tmpfs -o size=4g,mode=755 tmpfs /mnt && echo ready && exec cat"
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", script],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._holder.stdout
        assert self._holder.stderr
        if self._holder.stdout.readline() != "ready\n":
            raise OSError(self._holder.stderr.read())

    def close(self) -> None:
        """End the namespace, and what is mounted in it."""
        self._holder.communicate(timeout=60)

    def build(self, dockerfile: str) -> Stage:
        """Execute the instructions; the last stage is returned. AssertionError for a step that fails."""
        stages: dict[str, Stage] = {}
        defaults: dict[str, str] = {}
        stage: Stage | None = None
        for name, rest in instructions(dockerfile):
            if name == "FROM":
                base, _, alias = re.sub(r"(?i) as ", " ", rest).partition(" ")
                stages[alias] = stage = Stage(Template(base).substitute(defaults), Path(f"/mnt/stage-{len(stages)}"))
                self._make_root(stage)
            elif stage is None:
                assert name == "ARG", f"{name} before FROM"
                key, _, value = rest.partition("=")
                defaults[key] = value
            elif name == "COPY":
                self._copy(stage, stages, rest)
            elif name == "RUN":
                self._run_step(stage, rest)
            else:
                stage.apply(name, rest)
                self._in(f"mkdir -p {stage.root}{stage.directory}")
        assert stage
        return stage

    def run(
        self, stage: Stage, *arguments: str, share: Path, stdin: str = "", entrypoint: str = "", tmpfs: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """`docker run --read-only --network none --volume SHARE:/work:ro`; `entrypoint` as there, `tmpfs` at /tmp."""
        start = [entrypoint] if entrypoint else stage.entrypoint
        command = [*start, *(arguments or ([] if entrypoint else stage.command))]
        variables = [f"{name}={value}" for name, value in stage.environment.items()]
        inside = ["chroot", f"--userspec={stage.user}", str(stage.root)]
        inside += ["env", "-i", f"--chdir={stage.directory}", *variables, *command]
        root = stage.root
        script = f"""\
            mount --rbind /dev {root}/dev
            mount --rbind /proc {root}/proc
            mount --bind {share} {root}/work
            mount -o remount,bind,ro {root}/work
            mount -o remount,ro {root}
            {"mount -t tmpfs -o mode=1777 tmpfs " + str(root / "tmp") if tmpfs else ""}
            exec {shlex.join(inside)}"""
        namespaces = ["unshare", "--mount", "--net", "--propagation", "private", "sh", "-ec", script]
        return subprocess.run(
            [*self._enter(), *namespaces], input=stdin, capture_output=True, text=True, check=False, timeout=120
        )

    def _make_root(self, stage: Stage) -> None:
        home = stage.root.parent
        self._in(f"mkdir -p {home}/upper {home}/work {home}/root")
        layers = f"lowerdir=/,upperdir={home}/upper,workdir={home}/work"
        self._in(f"mount -t overlay overlay -o {layers} {stage.root}")
        # The home of this machine's Python may be closed to others: in its base image it is not.
        for path in stage.shown:
            self._in(f"chmod a+rx {stage.root}{path}")

    def _copy(self, stage: Stage, stages: dict[str, Stage], rest: str) -> None:
        source_root = self.context
        words = shlex.split(stage.expand(rest))
        if words[0].startswith("--from="):
            source_root = stages[words.pop(0).removeprefix("--from=")].root
        assert not words[0].startswith("--"), f"COPY with {words[0]}"
        *sources, target = words
        for source in sources:
            path = f"{source_root}/{source.lstrip('/')}"
            # A folder's content is copied, a file by its name or, where the target is no folder, to it.
            self._in(f"if test -d {path}; then mkdir -p {stage.root}{target} && cp -a {path}/. {stage.root}{target}; "
                     f"else cp -a {path} {stage.root}{target}; fi")  # fmt: skip

    def _run_step(self, stage: Stage, command: str) -> None:
        callers = {name: value for name, value in go().environment.items() if not name.startswith(_CALLERS)}
        environment = callers | stage.arguments | stage.environment | {"PYTHONPATH": _PIP}
        pip = next(path for path in map(Path, sys.path) if (path / "pip" / "__main__.py").is_file()) / "pip"
        variables = [f"{name}={value}" for name, value in environment.items()]
        step = ["env", "-i", f"--chdir={stage.directory}", *variables, "/bin/sh", "-c", command]
        root = stage.root
        # What every base image has: devices, names of hosts, and with Python its pip.
        self._in(
            f"""unshare --mount --propagation private sh -ec '
                mount --rbind /dev {root}/dev
                mount --rbind /proc {root}/proc
                mkdir -p {root}{_PIP}/pip
                mount --bind {pip} {root}{_PIP}/pip
                exec chroot {root} "$@"' sh {shlex.join(step)}"""
        )

    def _in(self, script: str) -> None:
        done = subprocess.run(
            [*self._enter(), "sh", "-ec", script], capture_output=True, text=True, check=False, timeout=600
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"

    def _enter(self) -> list[str]:
        return ["nsenter", f"--mount=/proc/{self._holder.pid}/ns/mnt"]
