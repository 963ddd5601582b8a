"""Fixtures of the whole suite: the tools, the API server, the corpus; and the list of tests that did not run."""

import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from dev.progress import StepError
from dev.toolchain import ROOT
from dev.toolchain import tool as get_tool
from tests.support.running import DATA_PREFIX, no_data, skips_are_failures
from tests.support.running import not_run as end_as_not_run


@pytest.fixture(scope="session")
def not_run() -> Callable[[str], object]:
    """`not_run(reason)`: end this test as one that cannot run here."""
    return end_as_not_run


@pytest.fixture(scope="session")
def tool() -> Callable[[str], str]:
    """`tool(name)`: the path of a program or folder of `dev.recipes`, built on first use; not_run where that fails."""

    @cache
    def attempt(name: str) -> str | StepError:
        try:
            return str(get_tool(name))
        except StepError as error:
            return error

    def path(name: str) -> str:
        found = attempt(name)
        if isinstance(found, StepError):
            end_as_not_run(f"{name} cannot be had: {found}")
        return found

    return path


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of public charts' rendered streams: `MLMESH_CORPUS`, else `../shared/corpus` beside the checkout."""
    named = os.environ.get("MLMESH_CORPUS")
    place = Path(named) if named else ROOT.parent / "shared" / "corpus"
    if not place.is_dir():
        no_data(f"there is no corpus at {place} (MLMESH_CORPUS names another place)")
    return place


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
    call: pytest.CallInfo[None],
) -> Iterator[None]:
    """Where every test is demanded, a skip of any origin is a failure."""
    report: pytest.TestReport = yield  # type: ignore[assignment]
    if report.skipped and not hasattr(report, "wasxfail") and skips_are_failures():
        reason = skip_reason(report)
        if not reason.startswith(DATA_PREFIX):
            report.outcome = "failed"
            report.longrepr = f"NOT RUN: {reason}"
    return report  # type: ignore[return-value]


def skip_reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Why the report's test was skipped."""
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name every test that did not run, and why."""
    for report in terminalreporter.getreports("skipped"):
        terminalreporter.write_line(f"NOT RUN: {report.nodeid}: {skip_reason(report)}")
