"""Files held against the schemas of the programs that read them, as check-jsonschema has them."""

import subprocess
import sys
import tempfile
from pathlib import Path


def invalid(schema: str, text: str) -> str:
    """What a file of that text has against it by the vendored schema; empty where it is valid."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "file.yml"
        file.write_text(text)
        command = [f"{Path(sys.executable).parent}/check-jsonschema", "--builtin-schema", f"vendor.{schema}", str(file)]
        if schema == "gitlab-ci":
            command += ["--data-transform", "gitlab-ci"]  # its tag !reference
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    return "" if done.returncode == 0 else done.stdout + done.stderr
