"""What a manifest tells of a pod's role by itself: kind, labels, images, commands, in this order of precedence.

The tables know roles; this module knows how a template is read. An image tells what its entrypoint does: where the
container's ``command`` replaces that by a program that is known, the program counts before the image. Where a pod of a
group tells nothing, what another pod of the same object tells stands in for it; a weak kind comes last.
"""

from functools import lru_cache

from mlmesh.graph.pods import PodTemplate, pod_templates
from mlmesh.manifests.objects import KubeObject
from mlmesh.roles.commands import COMMANDS, IDLE, INSTALLING, SHELL, SPEAKING
from mlmesh.roles.images import CLIENT_TAGS, NAMES, ORGANIZATIONS, OTHERWISE, PHRASES, TOOLS
from mlmesh.roles.kinds import ENDING, GROUPS, KINDS, PARTS, TRIAL, WEAK
from mlmesh.roles.labels import ANNOTATIONS, LABELS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

# What tells the role: how it is called, by what, and the role.
Signal = tuple[str, str, str]

# Roles of what also rides in other programs' pods: they hold where every container is of the role.
_RIDING = frozenset({"gateway", "monitoring"})
# Roles of what waits for requests.
_SERVING = frozenset({"feature-store", "gateway", "inference", "model-registry", "picker"})
_TOOL = "tool"
_BLANK = str.maketrans(dict.fromkeys("'\"`()[]{};&|,=$\\", " "))
_SEPARATED = str.maketrans({**dict.fromkeys("'\"[],=$\\", " "), **dict.fromkeys("`(){};&|", "\n")})
_PLACEHOLDER = frozenset("$<>{}")


def signals(pod: PodTemplate, labels: "Iterable[Mapping[str, Any]]") -> "Iterator[Signal]":
    """Everything that tells a role, the strongest first. ``labels`` are the template's and the object's, in order."""
    owner = pod.owner
    kind = (owner.group, owner.kind)
    role = PARTS.get(kind, {}).get(pod.part) or KINDS.get(kind)
    if role:
        yield role, "kind", owner.kind
    elif owner.pointer.endswith(TRIAL):
        yield "training", "kind", f"{owner.kind} of a Katib trial"
    for holder in labels:
        yield from _told_by(LABELS, holder, "label")
    yield from _told_by(ANNOTATIONS, pod.annotations, "annotation")
    for signal in _containers(pod.spec.get("containers")):
        if not (kind in ENDING and signal[0] in _SERVING):
            yield signal
    if kind in GROUPS:
        yield from (signal for pointer, signal in _group(owner) if pointer != pod.pointer)
    if kind in WEAK:
        yield WEAK[kind], "kind", owner.kind


@lru_cache(1)  # an object's templates come one after another, and can be many
def _group(owner: KubeObject) -> list[tuple[str, Signal]]:
    """What the first two templates that tell a role tell, with their pointers: one of them is another's."""
    found: list[tuple[str, Signal]] = []
    for pod in pod_templates(owner):
        for role, source, told in _containers(pod.spec.get("containers")):
            found.append((pod.pointer, (role, source, f"{told} of its {pod.part}")))
            break
        if len(found) == 2:
            break
    return found


def _told_by(table: "Mapping[str, str | dict[str, str]]", holder: "Mapping[str, Any]", word: str) -> "Iterator[Signal]":
    for key, value in holder.items():
        row = table.get(key)
        if row is None or not isinstance(value, str):  # a number tells nothing: the API server refuses it
            continue
        role = row if isinstance(row, str) else row.get(value)
        if role:
            yield role, word, f"{key}={value}"


def _containers(containers: object) -> "Iterator[Signal]":
    images: list[Signal] = []
    programs: list[Signal] = []
    replaced: list[Signal] = []
    others = False  # a container that is neither a tool nor of a role that rides along
    for container in containers if isinstance(containers, list) else ():
        if not isinstance(container, dict):
            continue
        image, name = image_role(str(container.get("image") or ""))
        if image == _TOOL:
            continue
        role, program = command_role(command_words(container))
        if program and role != image and container.get("command"):
            if image and role:
                replaced.append((image, "image", name))
        elif image:
            images.append((image, "image", name))
        if role:
            programs.append((role, "command", program))
        others = others or (role or image) not in _RIDING
    for signal in (*images, *programs, *replaced):
        if not (others and signal[0] in _RIDING):
            yield signal


def command_words(container: "dict[str, Any]") -> str:
    """A container's command and its arguments in one text."""
    parts: list[str] = []
    for key in ("command", "args"):
        value = container.get(key)
        if isinstance(value, list):
            parts += map(str, value)
        elif isinstance(value, str):
            parts.append(value)
    return " ".join(parts)


@lru_cache(4096)
def image_role(image: str) -> tuple[str, str]:
    """The role that an image tells ("tool" for one that rides in any pod) and its name, without tag and digest.

    ``registry:5000/org/name:tag@sha256:...`` in any of its parts. A name that is a placeholder tells nothing.
    """
    path, _, _ = image.partition("@")
    folder, _, last = path.rpartition("/")
    name, _, tag = last.partition(":")
    if not name or not _PLACEHOLDER.isdisjoint(name) or not name.islower():
        return "", ""
    organization = folder.rpartition("/")[2]
    shown = f"{organization}/{name}" if organization else name
    if name in TOOLS or shown in TOOLS:
        return _TOOL, shown
    role = NAMES.get(shown) or NAMES.get(name)
    if role is None:
        role = next((ORGANIZATIONS[part] for part in folder.split("/") if part in ORGANIZATIONS), None)
    if role is None:
        words = [word.rstrip("0123456789") for word in name.replace(".", "-").replace("_", "-").split("-")]
        joined = f"-{'-'.join(words)}-"
        if OTHERWISE.isdisjoint(words):
            role = next((role for phrase, role in PHRASES if phrase in joined and f"-{phrase}-" in joined), "")
    if not role or tag.endswith(CLIENT_TAGS):
        return "", ""
    return role, shown


@lru_cache(1)
def _rows() -> dict[str, list[tuple[list[str], str]]]:
    """The rows of COMMANDS by their first word: the words after it, and the role."""
    rows: dict[str, list[tuple[list[str], str]]] = {}
    for command, role in COMMANDS.items():
        first, *rest = command.split()
        rows.setdefault(first, []).append((rest, role))
    return rows


def command_role(command: str) -> tuple[str, str]:
    """The role of the first known program in a command, a shell's script included, and the words that told it.

    The role is empty with words where the program plays none; both are empty where no program is known.
    """
    rows = _rows()
    names = [word.rpartition("/")[2] for word in command.translate(_BLANK).split()]
    if rows.keys().isdisjoint(names):
        idle = ("sleep" in names or "tail" in names) and all(
            name in IDLE or name in SHELL or name.rstrip("smhd").isdecimal() for name in names
        )
        return "", "sleep" if idle else ""
    found = ("", "")
    for simple in command.replace("\\\n", " ").translate(_SEPARATED).split("\n"):
        names = [_program(word) for word in simple.partition("#")[0].split()]
        lead = next((name for name in names if name not in SHELL), "")
        if lead in SPEAKING or not INSTALLING.isdisjoint(names):
            continue
        for index, name in enumerate(names):
            for rest, role in rows.get(name, ()):
                if _follows(rest, names, index + 1):
                    told = " ".join((name, *rest))
                    if role:
                        return role, told
                    found = "", told
    return found


def _program(word: str) -> str:
    """A word as a program's name: a path counts where programs are, and is no folder that is named like one."""
    folder, slash, name = word.rpartition("/")
    return name if not slash or folder == "." or folder.endswith("bin") else word


def _follows(rest: list[str], words: list[str], at: int) -> bool:
    """Whether the words follow, options of the program before them left out (`feast --chdir /repo serve`)."""
    for word in rest:
        while words[at : at + 1] != [word]:
            if not "".join(words[at : at + 1]).startswith("-"):
                return False
            at += 1 if words[at + 1 : at + 2] == [word] else 2
        at += 1
    return True
