"""What a run of `mlmesh-post` on the chart's own release loads: start-up is nearly all of a small run's cost."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from dev.toolchain import ROOT
from tests.support.streams import pod, policy, route

LISTED = (Path(__file__).parent / "hot_path.txt").read_text().split()
RUN = """\
import sys
from mlmesh import post_main
assert post_main.run([]) == 0
sys.stderr.write("\\nLOADED " + " ".join(sys.modules))
"""


def loaded(code: str, stdin: str) -> set[str]:
    """The modules that a new Python has loaded when `code` ends; it tells them last on standard error."""
    done = subprocess.run(
        [sys.executable, "-c", code], input=stdin.encode(), capture_output=True, check=True, timeout=60
    )
    return set(done.stderr.decode().rpartition("LOADED ")[2].split())


def test_a_run_loads_the_listed_modules_and_no_others() -> None:
    """Beyond what `import yaml` loads: exactly the modules of hot_path.txt. A new one there is a decision."""
    stream = f"{policy(release={'name': 'r'}, components={})}\n---\n{pod()}---\n{route()}"
    stock = loaded("import yaml, sys; sys.stderr.write('LOADED ' + ' '.join(sys.modules))", "")
    assert sorted(loaded(RUN, stream) - stock) == LISTED


def test_the_list_holds_nothing_heavy() -> None:
    """Each of these costs more than a tenth of the whole run."""
    assert {"dataclasses", "inspect", "typing", "click", "jsonpatch", "deepmerge", "pathlib"} & set(LISTED) == set()


def test_the_console_script_finds_the_modules_that_python_finds() -> None:
    """What the command loads by its own short way are the same files, cached at the same places, as `import` loads."""
    told = """\
import importlib.util, os, sys
os._exit = lambda code: None
from mlmesh import post_main
post_main.main()
beside, *others = sys.meta_path
ours = [name for name in sys.modules if name.startswith("mlmesh.")]
short = [name for name in ours if beside.find_spec(name, sys.modules[name.rpartition(".")[0]].__path__)]
sys.meta_path.remove(beside)
for name in ours:
    taken = sys.modules.pop(name).__spec__
    found = importlib.util.find_spec(name)
    assert (taken.origin, taken.cached) == (found.origin, found.cached), (taken, found)
    assert taken.loader.get_code(name) == found.loader.get_code(name), name
sys.stderr.write("LOADED " + " ".join(short))
"""
    stream = f"{policy(release={'name': 'r'}, components={})}\n---\n{pod()}---\n{route()}"
    short = loaded(told, stream)
    assert len(short) > 60, "the short way was not taken"
    assert "mlmesh.manifests" not in short, "packages are Python's own to find"


def test_the_short_way_takes_no_stale_bytecode(tmp_path: Path) -> None:
    """A module of any size is the text that its file has now; it is compiled when that changes, and only then."""
    package = tmp_path / "mlmesh"
    shutil.copytree(ROOT / "plugin" / "mlmesh", package)
    module = package / "probe.py"
    code = "from mlmesh.loading import beside; beside(); from mlmesh.probe import LONG, TOLD; print(TOLD, len(LONG))"
    for seconds, told in enumerate(("old", "new"), 1000):
        # Longer than what is read at once, as its bytecode is. The size stays: only the time tells them apart.
        module.write_text(f"TOLD = '{told}'\nLONG = b'{'y' * 70_000}'\n")
        os.utime(module, (seconds, seconds))
        written = set()
        for _ in ("compiled", "from bytecode"):
            done = subprocess.run(
                [sys.executable, "-c", code],
                env={"PYTHONPATH": str(tmp_path)},
                capture_output=True,
                text=True,
                check=True,
            )
            assert done.stdout.split() == [told, "70000"]
            written |= {path.stat().st_mtime_ns for path in (package / "__pycache__").glob("probe.*.pyc")}
        assert len(written) == 1
