"""The benchmark: what the post-renderer costs, beside what other programs cost that read the same manifests.

    python benchmarks/run.py              every case, about half an hour
    python benchmarks/run.py --quick      nothing above a megabyte, a minute or two
    python benchmarks/run.py --write      every case, and the results go into docs/speed.md
    python benchmarks/run.py --json FILE  every single run as JSON

Exit code 1: a target is missed. Costs are CPU time (user and system) of whole processes, children included; they are
compared within one run only, in which the programs take turns. See docs/speed.md.
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    # This folder's place on the path is the checkout's: modules are `benchmarks.cases` and `dev.toolchain` everywhere.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    from benchmarks.command import main

    sys.exit(main(sys.argv[1:]))
