"""Other values for the release of the session, for as long as a test runs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from dev.mesh.lab import Mesh


class Upgrade(Protocol):
    """`upgrade(values)`: a `helm upgrade` of the release, with the post-renderer, to these values over the demo's."""

    def __call__(self, values: dict[str, Any]) -> None:
        """Return once the pods are ready and the proxies have what follows."""


@contextmanager
def upgrades(mesh: Mesh, folder: Path) -> Iterator[Upgrade]:
    """Such an upgrade; at the end one to the demo's values again."""

    def upgrade(values: dict[str, Any]) -> None:
        file = folder / "values.json"
        file.write_text(json.dumps(values))
        release = ("upgrade", "ml-mesh", "chart/", "--post-renderer", "mlmesh-post", "--namespace", "ml-mesh")
        done = mesh.helm.run(*release, "--values", "values/demo.yaml", "--values", str(file))
        assert done.returncode == 0, done.stderr + done.stdout
        mesh.wait_for_pods()

    try:
        yield upgrade
    finally:
        upgrade({})
