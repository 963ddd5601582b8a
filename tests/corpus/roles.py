"""The role of every pod template of the corpus, as lines that a verdict file lists.

``python -m tests.corpus.roles CORPUS`` writes roles.yaml again. What was read stays marked as long as its line does.
"""

import sys
from pathlib import Path
from typing import Any

import yaml

from mlmesh.graph.pods import PodTemplate, pod_templates
from mlmesh.graph.release import Release, is_read
from mlmesh.manifests import stream as manifests
from mlmesh.manifests.objects import objects
from mlmesh.policy.settings import load
from mlmesh.roles import role_of

VERDICTS = Path(__file__).parent / "roles.yaml"
Lines = dict[str, dict[str, str]]


def pods(corpus: Path) -> "dict[str, dict[str, PodTemplate]]":
    """Every pod template by stream and key: document, kind, name, part; a count where those do not tell apart."""
    found: dict[str, dict[str, PodTemplate]] = {}
    for path in sorted(corpus.glob("*.yaml")):
        here: dict[str, PodTemplate] = {}
        for document in manifests.read(path.read_bytes()).documents:
            if not is_read(document):
                continue
            for pod in (pod for item in objects(document, document.data) for pod in pod_templates(item)):
                key = " ".join(f"{document.index} {pod.owner.kind} {pod.owner.name} {pod.part}".split())
                again = sum(known.partition(" ~")[0] == key for known in here)
                here[f"{key} ~{again + 1}" if again else key] = pod
        if here:
            found[path.stem] = here
    return found


def lines(corpus: Path) -> Lines:
    """What the program says of each: ``role: reason``, then what lost; ``-`` where nothing tells a role."""
    release = Release(load([], ()))
    said: Lines = {}
    for stem, here in pods(corpus).items():
        for key, pod in here.items():
            role = role_of(pod, release)
            line = f"{role.name}: {role.reason}" if role.name else "-"
            said.setdefault(stem, {})[key] = f"{line} ! {role.conflict}" if role.conflict else line
    return said


def write(corpus: Path) -> None:
    """Write the lines of today into the file, and drop the marks of lines that are no longer what was read."""
    before: dict[str, Any] = yaml.safe_load(VERDICTS.read_text())
    now = lines(corpus)
    then, read = before["streams"], before["read"]
    kept = {
        stem: {key: note for key, note in marks.items() if now.get(stem, {}).get(key) == then.get(stem, {}).get(key)}
        for stem, marks in read.items()
    }
    head = VERDICTS.read_text().partition("\nstreams:")[0]
    body = {"streams": now, "read": {stem: marks for stem, marks in kept.items() if marks}}
    text = yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=10_000)
    VERDICTS.write_text(f"{head}\n{text}")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
