"""GitHub's and GitLab's runners, as far as the files of deploy/ need them: shells in their order, in a folder.

A `uses:` step and an artifact are only told, with what they would be given.
"""

import glob
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

TIME_LIMIT = 300
# https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#jobsjob_idstepsshell
SHELLS = {"bash": ["bash", "--noprofile", "--norc", "-eo", "pipefail"], "": ["bash", "-e"]}
_CALL = re.compile(r"(\w+)\((?:'([^']*)')?\)")


class Step(NamedTuple):
    """A step that ran: its name, or what it uses; its exit code; what it printed; what a `uses:` step was given."""

    name: str
    code: int
    output: str = ""
    given: dict[str, str] = {}  # noqa: RUF012 - nobody writes into it


class GitHubJob:
    """A job of a workflow, for one entry of its matrix, in a folder that holds the checkout."""

    def __init__(self, file: Path, job: str, folder: Path, matrix: Mapping[str, str], **context: Any) -> None:
        self.workflow = yaml.safe_load(file.read_text())
        self.job = self.workflow["jobs"][job]
        self.folder = folder
        self.temp = folder.parent / "runner-temp"
        self.temp.mkdir(exist_ok=True)
        self.context: dict[str, Any] = {
            "matrix": dict(matrix),
            "github": {"workspace": str(folder), **context.pop("github", {})},
            **context,
        }
        values = self.job["strategy"]["matrix"]
        assert all(value in values[name] for name, value in matrix.items())

    @property
    def wanted(self) -> bool:
        """Whether the job's `if` holds."""
        return self._holds(self.job.get("if", "always()"), failed=False)

    def run(self, environment: Mapping[str, str], **overridden: str) -> list[Step]:
        """The steps that ran, in their order; `overridden` takes the place of variables of the workflow."""
        base = {
            **environment,
            "GITHUB_WORKSPACE": str(self.folder),
            "RUNNER_TEMP": str(self.temp),
            **self._expanded(self.workflow.get("env", {})),
            **overridden,
            **self._expanded(self.job.get("env", {})),
        }
        shell = self.workflow.get("defaults", {}).get("run", {}).get("shell", "")
        done: list[Step] = []
        for step in self.job["steps"]:
            failed = any(each.code for each in done)
            if not self._holds(step.get("if", "success()"), failed=failed):
                continue
            if "uses" in step:
                done.append(Step(step["uses"].partition("@")[0], 0, given=self._expanded(step.get("with", {}))))
                continue
            script = self.temp / "step.sh"
            script.write_text(self._text(step["run"]) + "\n")
            ran = subprocess.run(
                [*SHELLS[step.get("shell", shell)], str(script)],
                cwd=self.folder / step.get("working-directory", "."),
                env={**base, **self._expanded(step.get("env", {}))},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                timeout=TIME_LIMIT,
            )
            done.append(Step(step["name"], ran.returncode, ran.stdout))
        return done

    def _expanded(self, texts: Mapping[str, Any]) -> dict[str, str]:
        return {name: self._text(str(text)) for name, text in texts.items()}

    def _text(self, text: str) -> str:
        return re.sub(r"\$\{\{ *(.*?) *\}\}", lambda found: self._value(found[1], failed=False), text)

    def _holds(self, condition: str, *, failed: bool) -> bool:
        """A condition of terms joined by `&&`. Without a status function it holds after success only."""
        terms = [term.strip() for term in condition.split("&&")]
        asks = any(term in ("always()", "failure()", "success()") for term in terms)
        return (asks or not failed) and all(self._is_true(term, failed=failed) for term in terms)

    def _is_true(self, term: str, *, failed: bool) -> bool:
        for sign, same in (("==", True), ("!=", False)):
            left, found, right = term.partition(sign)
            if found:
                return (self._value(left.strip(), failed=failed) == self._value(right.strip(), failed=failed)) is same
        return self._value(term, failed=failed) == "true"

    def _value(self, text: str, *, failed: bool) -> str:
        if text.startswith("'"):
            return text.strip("'")
        if call := _CALL.fullmatch(text):
            match call[1]:
                case "always":
                    return "true"
                case "success" | "failure":
                    return str(failed is (call[1] == "failure")).lower()
                case "hashFiles":
                    return " ".join(sorted(glob.glob(call[2], root_dir=self.folder)))
        found: Any = self.context
        for name in text.split("."):
            found = found[name]
        assert isinstance(found, str), text
        return found


def gitlab_job(
    file: Path, name: str, folder: Path, environment: Mapping[str, str], **matrix: str
) -> tuple[dict[str, Any], subprocess.CompletedProcess[str]]:
    """A job of a pipeline, for one entry of its matrix: the job with all that it extends, and its script's run."""
    pipeline = yaml.safe_load(file.read_text())
    job: dict[str, Any] = dict(pipeline[name])
    while "extends" in job:
        job = {**pipeline[job.pop("extends")], **job}
    entries = job["parallel"]["matrix"]
    assert any(all(value in entry.get(each, ()) for each, value in matrix.items()) for entry in entries)
    variables = {**pipeline.get("variables", {}), **job.get("variables", {}), **matrix}
    # GitLab's runner: one shell for before_script and script, in which the first command that fails ends the job
    lines = [*job.get("before_script", ()), *job["script"]]
    ran = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", "\n".join(lines)],
        cwd=folder,
        env={**environment, **variables, "CI_PROJECT_DIR": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=TIME_LIMIT,
    )
    return job, ran
