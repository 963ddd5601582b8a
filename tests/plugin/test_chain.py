"""`--chain`: another post-renderer before ours, since hosts have one slot."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from dev.helm import Helm
from tests.plugin.test_krm import BROKEN, resource_list
from tests.support.streams import BIN, pod, policy, run

Script = Callable[[str], str]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """`script(text)`: a program that a shell runs, by its path."""

    def write(text: str) -> str:
        path = tmp_path / f"program-{len(list(tmp_path.iterdir()))}"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return str(path)

    return write


def test_what_the_program_adds_is_sized_and_judged(script: Script) -> None:
    """Its output is what we read, by option and by variable: a pod gets its sidecar, a broken object is refused."""
    adds = script(f"cat; cat <<'END'\n---\n{pod(name='added')}END")
    for done in (run("--chain", adds, stdin=pod()), run(stdin=pod(), MLMESH_CHAIN=adds)):
        assert done.returncode == 0, done.stderr
        items = list(yaml.safe_load_all(done.stdout))
        assert [item["metadata"]["name"] for item in items] == ["llm", "added"]
        assert [item["metadata"]["annotations"]["mlmesh.dev/rendered-by"] for item in items] == ["0.1.0"] * 2
    breaks = script(f"cat; cat <<'END'\n---\n{BROKEN}END")
    done = run("--chain", breaks, stdin=pod())
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"MLM701" in done.stderr


def test_arguments_are_split_as_a_shell_does_and_no_shell_runs_them(script: Script) -> None:
    """Quotes hold words together; variables, pipes and substitutions are words like others."""
    shows = script("""cat; for word; do echo "# <$word>"; done""")
    done = run("--chain", f"""{shows} 'two words' "$HOME" '|' $(id)""", stdin=pod())
    assert done.returncode == 0, done.stderr
    words = [line for line in done.stdout.decode().splitlines() if line.startswith("# ")]
    assert words == ["# <two words>", "# <$HOME>", "# <|>", "# <$(id)>"]


def test_what_it_says_is_passed_on(script: Script) -> None:
    """Byte for byte, where it succeeds and where it fails."""
    for end, code in (("", 0), ("; exit 1", 2)):
        done = run("--chain", script(f"cat; echo 'a hint \\033[1m' >&2{end}"), stdin=pod())
        assert done.returncode == code
        assert done.stderr.startswith(b"a hint \x1b[1m\n")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("cat; exit 7", "failed with exit code 7"),
        ("kill -9 $$", "was ended by signal 9"),
        ("cat >/dev/null", "left nothing of the manifests"),
        ("cat >/dev/null; printf -- '---\\n# all gone\\n'", "left nothing of the manifests"),
    ],
)
@pytest.mark.parametrize("called_by", ["", "--called-by=helm4"])
def test_its_failure_is_ours(script: Script, tmp_path: Path, text: str, told: str, called_by: str) -> None:
    """Exit code 2, nothing written, and one message that names the program, in the report too; on Helm 4 a document."""
    program = script(f"echo 'its own words' >&2; {text}")
    report = tmp_path / "report"
    options = [called_by] * bool(called_by) + ["--report", str(report), "--report-format", "json"]
    done = run("--chain", f"{program} --token hunter2-do-not-print", *options, stdin=pod())
    if called_by:
        assert (done.returncode, done.stderr) == (0, b"")
        said = yaml.safe_load(done.stdout)
    else:
        assert (done.returncode, done.stdout) == (2, b"")
        said = done.stderr.decode()
    assert said.startswith(f"its own words\nmlmesh: {program} {told}\n  where:  --chain (MLMESH_CHAIN)\n  remedy: ")
    error = json.loads(report.read_text())["error"]
    assert (error["exitCode"], error["message"]) == (2, f"{program} {told}")
    # Neither the program's arguments nor its words: both may hold a secret, and a report is kept.
    assert "hunter2" not in said + report.read_text()
    assert "its own words" not in report.read_text()


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("no-such-program-anywhere -x", "no-such-program-anywhere cannot be run: No such file or directory"),
        ("/etc/passwd", "/etc/passwd cannot be run: Permission denied"),
        ("TOKEN=hunter2 cat", "TOKEN cannot be run: No such file or directory"),
        ("cat 'unclosed", "the command cannot be split into words: No closing quotation"),
        ("  ", "no program is named"),
        ("mlmesh-post", "mlmesh-post is run by its own chain"),
        (f"{BIN}/mlmesh-post --warn-only", "mlmesh-post is run by its own chain"),
    ],
)
def test_a_command_that_cannot_be_run_is_told(command: str, told: str) -> None:
    """Each with exit code 2, the option and its variable; no traceback, and no variable's value."""
    for done in (run("--chain", command, stdin=pod()), run(stdin=pod(), MLMESH_CHAIN=command)):
        assert (done.returncode, done.stdout) == (2, b"")
        assert done.stderr.decode().startswith(f"mlmesh: {told}\n  where:  --chain (MLMESH_CHAIN)\n  remedy: ")
        assert b"hunter2" not in done.stderr


def test_a_program_that_comes_back_to_us_is_no_loop(script: Script) -> None:
    """A wrapper that runs mlmesh-post is refused by that one, however it was asked for a chain."""
    deep = "DEPTH=x$DEPTH; export DEPTH; [ ${#DEPTH} -gt 3 ] && exit 9"  # where the guard is broken it ends, too
    wrapper = script(f"{deep}; exec {BIN}/mlmesh-post --chain $0")
    for done in (run("--chain", wrapper, stdin=pod()), run(stdin=pod(), MLMESH_CHAIN=wrapper)):
        assert (done.returncode, done.stdout) == (2, b"")
        assert b"mlmesh-post is run by its own chain" in done.stderr
        assert f"{wrapper} failed with exit code 2".encode() in done.stderr


def test_it_runs_for_an_empty_stream_and_need_not_read(script: Script) -> None:
    """Nothing for nothing is no failure; and who closes standard input early breaks no pipe."""
    assert run("--chain", "cat", stdin="").stdout == b"# mlmesh-post: the input was empty\n"
    big = "".join(f"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: big-{n}}}\n" for n in range(20_000))
    done = run(
        "--chain", script("exec <&-; echo '{apiVersion: v1, kind: ConfigMap, metadata: {name: own}}'"), stdin=big
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert yaml.safe_load(done.stdout)["metadata"]["name"] == "own"


def test_as_a_function_the_program_gets_the_list(script: Script) -> None:
    """Under kustomize what it gets and gives is the ResourceList: it must be a KRM function itself."""
    done = run("--chain", script("tee $0.got"), stdin=resource_list(pod()))
    assert done.returncode == 0, done.stderr
    out = yaml.safe_load(done.stdout)
    assert out["items"][0]["metadata"]["annotations"]["mlmesh.dev/rendered-by"] == "0.1.0"
    assert (out["kind"], len(out["items"])) == ("ResourceList", 1)


@pytest.mark.parametrize("name", ["helm3", "helm4"])
def test_either_helm_runs_it_and_shows_its_failure(helm: Callable[[str], Helm], script: Script, name: str) -> None:
    """By the variable, since Helm's flag takes one post-renderer: its object is in the stream, its words are told."""
    program = helm(name)
    command = ("template", "x", "chart/", "--post-renderer", "mlmesh-post", "--namespace", "ml")
    adds = script(f"cat; cat <<'END'\n---\n{pod(name='added')}END")
    done = program.run(*command, env={"MLMESH_CHAIN": adds})
    assert done.returncode == 0, done.stderr
    added = [item for item in yaml.safe_load_all(done.stdout) if item and item["metadata"]["name"] == "added"]
    assert added[0]["metadata"]["annotations"]["mlmesh.dev/rendered-by"] == "0.1.0"
    fails = script("echo 'the key server is gone' >&2; exit 3")
    done = program.run(*command, env={"MLMESH_CHAIN": fails})
    assert (done.returncode, done.stdout) == (1, "")
    assert "the key server is gone\n" in done.stderr
    assert f"{fails} failed with exit code 3" in done.stderr


def test_a_real_kustomize_runs_before_us(tool: Callable[[str], str], script: Script, tmp_path: Path) -> None:
    """The wrapper that many charts have: kustomize patches the stream, and what it patched is what we size."""
    folder = tmp_path / "overlay"
    folder.mkdir()
    patch = "- {op: add, path: /spec/template/metadata/labels/mlmesh.dev~1role, value: training}\n"
    (folder / "patch.yaml").write_text(patch)
    kustomization = {
        "resources": ["all.yaml"],
        "patches": [{"path": "patch.yaml", "target": {"kind": "Deployment"}}],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    wrapper = script(f"cat >{folder}/all.yaml && exec {tool('kustomize')} build {folder}")
    done = run("--chain", wrapper, stdin=f"{pod()}---\n{policy(release={'name': 'r'})}", PATH=os.environ["PATH"])
    assert done.returncode == 0, done.stderr
    items = {item["kind"]: item for item in yaml.safe_load_all(done.stdout)}
    labels = items["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert labels["mlmesh.dev/role"] == "training"
    assert items["Deployment"]["metadata"]["annotations"]["mlmesh.dev/rendered-by"] == "0.1.0"
    assert items["ConfigMap"]["metadata"]["name"] == "r-mesh-policy"


def test_a_program_does_not_outlive_us(script: Script, tmp_path: Path) -> None:
    """Whoever ends the post-renderer ends the program that it waits for, and gets no manifests."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    command = [str(BIN / "mlmesh-post"), "--chain", script(f"echo $$ > {pipe}; exec sleep 60")]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as ours:
        program = Path("/proc", pipe.read_text().strip())  # it can be read once the program is there
        assert program.exists()
        ours.terminate()
        output, _ = ours.communicate(timeout=20)
    assert (ours.returncode, output, program.exists()) == (128 + signal.SIGTERM, "", False)
