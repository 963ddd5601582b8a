"""The second picture of the README."""

import re
import subprocess
import sys

from dev.toolchain import ROOT
from tests.support.meshes import demand_machine


def test_the_demo_shows_the_split_refusals_and_a_timeout() -> None:
    """`make demo-mesh` ends well, and what it shows is what it says: shares, statuses, seconds."""
    demand_machine()
    command = [sys.executable, "-m", "dev.mesh.demo"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    shares = re.findall(r"500 requests   inference-v1 █+ +(\d+)%   inference-v2 █+ +(\d+)%", done.stdout)
    assert len(shares) == 1, done.stdout
    assert sum(map(int, shares[0])) in (99, 100, 101)
    assert re.search(r"frontend-sa, GET /v1/models/m +200\n", done.stdout)
    assert re.search(r"stranger-sa, GET /v1/models/m +403\n", done.stdout)
    assert re.search(r"1\d\.\d s   504 after 1 try", done.stdout)
    assert "All of it went as it should" in done.stdout
