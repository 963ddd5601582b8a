"""Every code block of the documentation is run or validated, or it is said why not."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from dev.helm import Helm
from dev.snippets import Block, blocks, blocks_of, pages, verdict_on, verdicts
from dev.toolchain import ROOT
from tests.cluster.releases import Releases
from tests.support.named import lost
from tests.support.sessions import agrees, replayed
from tests.support.streams import BIN, pod, rendered

BLOCKS = list(blocks())
OWN = [block for block in BLOCKS if verdict_on(block) is None]
RUN = ("session", "commands")
# What needs a cluster, or a Helm; anything else runs without.
CLUSTER = re.compile(r"\b(kubectl|helm)\b|--live\b|\bmlmesh render\b")


def commands(page: str) -> str:
    """All that is run of a page."""
    return "".join(block.text for block in OWN if block.page == page and block.kind in RUN)


def of(kind: str) -> list[Block]:
    """The blocks of a kind that no verdict speaks of, but for values that the page's own commands take as a file."""
    found = [block for block in OWN if block.kind == kind]
    return [each for each in found if kind != "values" or not each.file or each.file not in commands(each.page)]


def place(block: Block) -> str:
    """Page and line, by which a test of it is called."""
    return f"{block.page}:{block.line}"


def test_every_block_is_accounted_for() -> None:
    """Each is of a kind that is taken below, or tests/docs/snippets.yaml says what holds it."""
    assert len({block.page for block in BLOCKS}) > 20
    unheld = [f"{place(block)}: {' '.join(block.info)}: {block.head}" for block in OWN if not block.kind]
    assert unheld == [], "give the block a kind that is run, or a line in tests/docs/snippets.yaml"


def test_every_verdict_speaks_of_a_block() -> None:
    """A line of tests/docs/snippets.yaml whose page or block is gone is taken out."""
    used = {found[:2] for block in BLOCKS if (found := verdict_on(block))}
    told = {(pattern, start) for pattern, entries in verdicts().items() for start in entries}
    assert told - used == set()


def test_every_verdict_names_a_test_or_a_reason() -> None:
    """`executed by` or `validated by` a test that exists, or `not run` and why."""
    for pattern, entries in verdicts().items():
        for start, verdict in entries.items():
            form = re.fullmatch(r"(executed|validated) by tests/[\w/]+\.py::\w+(, .+)?|not run: .+", verdict)
            assert form, (pattern, start, verdict)
            assert lost(verdict) == set(), (pattern, start)


def test_blocks_are_read_as_markdown_has_them() -> None:
    """Fences of any length, in lists and quotes, and indented ones are found; fences inside of a fence are its text."""
    text = "````text\n```sh\nx\n```\n````\n\n- item\n\n  ~~~ yaml  two\n  a: 1\n  ~~~\n\ntext\n\n    indented\n"
    found = [(block.line, block.info, block.text) for block in blocks_of("p.md", text)]
    assert found == [(1, ("text",), "```sh\nx\n```\n"), (9, ("yaml", "two"), "a: 1\n"), (15, (), "indented\n")]


def test_three_dots_stand_for_lines() -> None:
    """Anything else of a session must be there as it is written."""
    assert agrees("$ a\n...\nlast\n", "$ a\none\ntwo\nlast\n")
    assert agrees("$ a\n...\n", "$ a\n")
    assert not agrees("$ a\n...\nlast\n", "$ a\none\nlast\nmore\n")
    assert not agrees("$ a\nx.y\n", "$ a\nxzy\n")


@pytest.mark.parametrize("block", of("values"), ids=place)
def test_values_render_and_break_no_rule(block: Block, helm: Callable[[str], Helm], tmp_path: Path) -> None:
    """Helm takes them for the chart, they change something, and the release as post-rendered has no error."""
    file = tmp_path / "values.yaml"
    file.write_text(block.text)
    plain, done = (
        helm("helm4").run("template", "ml-mesh", "chart", "--namespace", "ml-mesh", *more)
        for more in ((), ("--values", str(file)))
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout != plain.stdout
    errors = [each for each in rendered(done.stdout).findings if each.severity == "error"]
    assert errors == []


@pytest.mark.parametrize("block", of("policy"), ids=place)
def test_policies_are_read(block: Block) -> None:
    """The post-renderer takes it for the settings of a release."""
    rendered(pod(), block.text)


@pytest.mark.parametrize("block", of("manifests"), ids=place)
def test_manifests_are_taken_by_a_real_api_server(block: Block, releases: Releases) -> None:
    """In a dry run with strict validation."""
    cluster = releases.cluster
    items = [item for item in yaml.safe_load_all(block.text) if item]
    for namespace in {item["metadata"].get("namespace") for item in items} - {None}:
        if cluster.get("namespace", namespace) is None:
            cluster.kubectl("create", "namespace", namespace)
    done = cluster.kubectl(
        "apply", "--server-side", "--dry-run=server", "--validate=strict", "--filename=-", stdin=block.text
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", [page for page in pages() if commands(page)])
def test_commands_do_what_the_page_says(page: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """In the page's order: commands succeed, sessions come out as written, and files are there when they are named."""
    own = [block for block in OWN if block.page == page]
    environments = surroundings(commands(page), request, tmp_path)
    folder = tmp_path / "work"
    folder.mkdir()
    for name in ("chart", "plugin", "values"):
        (folder / name).symlink_to(ROOT / name)
    for block in own:
        environment = environments["helm3" if "helm3" in block.info else "helm4"]
        if block.file:
            (folder / block.file).write_text(block.text)
        elif block.kind == "session":
            shown = replayed(block.text, folder, environment)
            assert shown == block.text or agrees(block.text, shown), f"{place(block)} came out as\n{shown}"
        elif block.kind == "commands":
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block.text],
                cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300,
            )  # fmt: skip
            assert done.returncode == 0, f"{place(block)}\n{done.stdout}\n{done.stderr}"


def surroundings(text: str, request: pytest.FixtureRequest, home: Path) -> dict[str, dict[str, str]]:
    """The environment of commands by the Helm that `helm` is; with an API server where `text` asks for one."""
    base = {name: value for name, value in os.environ.items() if not name.startswith(("MLMESH_", "HELM_", "FORCE_"))}
    base |= {"HOME": str(home), "PATH": f"{BIN}:{os.environ['PATH']}", "KUBECONFIG": str(home / "none")}
    if not CLUSTER.search(text):
        return {"helm3": base, "helm4": base}
    releases: Releases = request.getfixturevalue("releases")
    made = {}
    for name in ("helm3", "helm4"):
        own = Helm(name, home / name).environment
        made[name] = own | {"HOME": str(home), "KUBECONFIG": str(releases.cluster.kubeconfig)}
        if "helm plugin install" in text:
            made[name]["HELM_DATA_HOME"] = str(home / "data")
    return made
