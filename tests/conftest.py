"""Fixtures of the whole suite: the tools, the API server, the corpus; and the list of tests that did not run."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TypeVar

import pytest
from xdist.remote import Producer

from dev.cache import cache_dir
from dev.cluster import Cluster
from dev.helm import Helm
from dev.processes import Process
from dev.progress import StepError
from dev.toolchain import ROOT
from dev.toolchain import tool as get_tool
from tests.support.clusters import TestCluster, end_abandoned
from tests.support.running import EXCUSES, no_data, skips_are_failures
from tests.support.running import not_run as end_as_not_run
from tests.support.workers import ByFile, mesh_first

T = TypeVar("T")

# What a shell without job control puts behind itself ignores Ctrl-C, and so would the programs that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--red`, for tests/mesh. Only here are options heard in time."""
    parser.addoption("--red", action="store_true", help="take away what each mesh test proves; it must then fail")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    """Where several processes share the run, by file."""
    return ByFile(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In such a run the mesh begins."""
    if hasattr(config, "workerinput"):
        mesh_first(items)


@pytest.fixture(scope="session")
def not_run() -> Callable[[str], object]:
    """`not_run(reason)`: end this test as one that cannot run here."""
    return end_as_not_run


@pytest.fixture(scope="session")
def tool() -> Callable[[str], str]:
    """`tool(name)`: the path of a program or folder of `dev.recipes`, built on first use; not_run where that fails."""

    return lambda name: _or_not_run(lambda: str(get_tool(name)))


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Helm]:
    """`helm(name)`: a Helm (helm3, helm4, helm3-min, helm4-min) that sees no cluster, with homes of its own."""

    @cache
    def get(name: str) -> Helm:
        return Helm(name, tmp_path_factory.mktemp(name))

    return lambda name: _or_not_run(lambda: get(name))


@pytest.fixture(scope="session")
def cluster() -> Iterator[TestCluster]:
    """An API server with the CRDs of Istio, Gateway API and the Inference Extension, shared by the session."""
    run = cache_dir() / "run"
    end_abandoned(run)
    own = Cluster(run / f"test-{os.getpid()}")
    run.mkdir(parents=True, exist_ok=True)
    owner = own.home.with_suffix(".owner")
    owner.write_text(json.dumps(Process.current()))
    try:
        _or_not_run(own.start)
        yield TestCluster(own)
    finally:
        own.stop()
        owner.unlink()


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of public charts' rendered streams: `MLMESH_CORPUS`, else `../shared/corpus` beside the checkout."""
    named = os.environ.get("MLMESH_CORPUS")
    place = Path(named) if named else ROOT.parent / "shared" / "corpus"
    if not place.is_dir():
        no_data(f"there is no corpus at {place} (MLMESH_CORPUS names another place)")
    return place


def _or_not_run(attempt: Callable[[], T]) -> T:
    try:
        return attempt()
    except StepError as error:
        end_as_not_run(str(error))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
    call: pytest.CallInfo[None],
) -> Iterator[None]:
    """Where every test is demanded, a skip of any origin is a failure."""
    report: pytest.TestReport = yield  # type: ignore[assignment]
    if report.skipped and not hasattr(report, "wasxfail") and skips_are_failures():
        reason = skip_reason(report)
        if not reason.startswith(EXCUSES):
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
