"""The same release as each Helm hands it to a post-renderer."""

from pathlib import Path

from dev.helm import Helm

COPY = """\
apiVersion: v1
type: postrenderer/v1
name: copy
version: 0.1.0
runtime: subprocess
runtimeConfig:
  platformCommand:
    - command: tee
      args: ["${COPY_TO}"]
"""


def handed_over(helm: Helm, folder: Path, *arguments: str) -> str:
    """What this Helm puts on a post-renderer's standard input for `helm template ARGUMENTS`; `folder` is for files."""
    taken = folder / "taken.yaml"
    if helm.has_plugins:
        plugin = Path(helm.environment["HELM_DATA_HOME"]) / "plugins" / "copy"
        plugin.mkdir(parents=True, exist_ok=True)
        (plugin / "plugin.yaml").write_text(COPY)
        renderer = ["--post-renderer", "copy"]
    else:
        renderer = ["--post-renderer", "tee", "--post-renderer-args", str(taken)]
    done = helm.run("template", *arguments, *renderer, env={"COPY_TO": str(taken)})
    assert done.returncode == 0, done.stderr
    return taken.read_text()
