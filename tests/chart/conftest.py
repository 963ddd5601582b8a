"""Fixtures of the chart's tests: what each Helm renders, and how it refuses."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev.chart_values import defaults
from dev.helm import Helm
from tests.chart.charts import Render, documents

HELMS = ("helm3", "helm4")


@pytest.fixture(scope="session", params=HELMS)
def render(request: pytest.FixtureRequest, helm: Callable[[str], Helm]) -> Render:
    """`render(*arguments)`: the objects of `helm template ml-mesh chart -n ml-mesh`, by each Helm in turn."""
    return _render_with(helm(request.param))


@pytest.fixture(scope="session")
def render_once(helm: Callable[[str], Helm]) -> Render:
    """The same by one Helm only, where the difference between them cannot matter."""
    return _render_with(helm("helm3"))


@pytest.fixture(scope="session", params=HELMS)
def stream(request: pytest.FixtureRequest, helm: Callable[[str], Helm]) -> Callable[..., str]:
    """`stream(*arguments)`: the same as text, by each Helm in turn."""
    return _stream_of(helm(request.param))


@pytest.fixture(scope="session", params=HELMS)
def refusal(request: pytest.FixtureRequest, helm: Callable[[str], Helm]) -> Callable[..., str]:
    """`refusal(*arguments)`: what each Helm in turn says when it refuses to render; empty where it renders."""

    def refuse(*arguments: str) -> str:
        done = helm(request.param).run("template", "ml-mesh", "chart", "--namespace", "ml-mesh", *arguments)
        return done.stderr if done.returncode else ""

    return refuse


@pytest.fixture(scope="session")
def values() -> dict[str, Any]:
    """The chart's default values, those that profiles differ in included."""
    return defaults()


@pytest.fixture(scope="session")
def full_values(values: dict[str, Any]) -> dict[str, Any]:
    """The default values with every option set: values.yaml under full.yaml."""
    full: dict[str, Any] = laid_over(values, yaml.safe_load((Path(__file__).parent / "full.yaml").read_text()))
    return full


@pytest.fixture(scope="session")
def lay_over() -> Callable[[Any, Any], Any]:
    """`lay_over(below, above)`: values as Helm merges them."""
    return laid_over


@pytest.fixture
def written(tmp_path: Path) -> Callable[[dict[str, Any]], tuple[str, str]]:
    """`written(values)`: the arguments that give Helm these values."""

    def write(values: dict[str, Any]) -> tuple[str, str]:
        # A file of its own each time: renderings are kept by their arguments.
        file = tmp_path / f"{len(list(tmp_path.iterdir()))}.json"
        file.write_text(json.dumps(values))
        return "-f", str(file)

    return write


def laid_over(below: Any, above: Any) -> Any:
    """`above` over `below` as Helm merges values: maps by key, anything else replaced."""
    if isinstance(below, dict) and isinstance(above, dict):
        both = {**below, **above}
        return {key: laid_over(below[key], above[key]) if key in below and key in above else both[key] for key in both}
    return above


def _stream_of(program: Helm) -> Callable[..., str]:
    @cache
    def stream(*arguments: str) -> str:
        done = program.run("template", "ml-mesh", "chart", "--namespace", "ml-mesh", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return stream


def _render_with(program: Helm) -> Render:
    stream = _stream_of(program)
    return cache(lambda *arguments: documents(stream(*arguments)))
