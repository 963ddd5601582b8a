"""What a run of `mlmesh-post` on the chart's own release loads: start-up is nearly all of a small run's cost."""

import subprocess
import sys
from pathlib import Path

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
