"""Every option of every command is a variable, too: some hosts pass no arguments."""

import re
from collections.abc import Iterator

import click
import pytest

from mlmesh.cli import mlmesh
from mlmesh.options import POST_OPTIONS
from mlmesh.post_help import click_option
from tests.support.checks import check
from tests.support.streams import pod, run


def commands(group: click.Group, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command of a group and below, with the words that call it."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
        else:
            yield (*path, name), command


COMMANDS = dict(commands(mlmesh))
OPTIONS = [
    (("mlmesh", *words), option)
    for words, command in COMMANDS.items()
    for option in command.params
    if isinstance(option, click.Option)
] + [(("mlmesh-post",), click_option(option)) for option in POST_OPTIONS]


def test_no_command_is_left_out() -> None:
    """What follows is about all of them: as many as help tells."""
    listed = run("--help", command="mlmesh").stdout.decode().partition("Commands:\n")[2]
    assert {words[0] for words in COMMANDS} == {line.split()[0] for line in listed.splitlines() if line[2:3].strip()}
    assert len(OPTIONS) > 35


@pytest.mark.parametrize(
    ("words", "option"), OPTIONS, ids=lambda each: " ".join(each) if isinstance(each, tuple) else each.name
)
def test_every_option_is_a_variable(words: tuple[str, ...], option: click.Option) -> None:
    """Its name is the option's, its help names it, and what it holds is heard."""
    flag = max(option.opts, key=len)
    name = "MLMESH_" + flag.removeprefix("--").upper().replace("-", "_")
    shown = " ".join(run(*words[1:], "--help", command=words[0]).stdout.decode().split())
    assert f"[env var: {name}" in shown
    command = COMMANDS.get(words[1:]) or click.Command("mlmesh-post", params=[option])
    value = "1" if option.is_flag else option.type.choices[-1] if isinstance(option.type, click.Choice) else "x"
    context = click.Context(command)
    assert option.resolve_envvar_value(context) is None
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(name, value)
        assert option.resolve_envvar_value(context) == value


@pytest.mark.parametrize(
    "variable",
    [
        "POLICY",
        "CONTEXT",
        "BASELINE",
        "REPORT",
        "REPORT_FORMAT",
        "WARN_ONLY",
        "REQUIRE_POLICY",
        "CHAIN",
        "ON_FAILURE",
    ],
)
def test_a_bad_value_names_its_variable(variable: str) -> None:
    """A person who reads the error of a host must find what to change."""
    bad = "/nowhere/at/all"
    done = run(stdin=pod(), **{f"MLMESH_{variable}": bad})
    assert (done.returncode, done.stdout) == (2, b"" if variable != "ON_FAILURE" else done.stdout)
    assert re.search(rf"MLMESH_{variable}\b", done.stderr.decode())


@pytest.mark.parametrize(
    "variable", ["FORMAT", "POST_RENDER", "REQUIRE_STAMP", "LIVE", "WRITE_BASELINE", "POLICY", "VALUES"]
)
def test_a_bad_value_of_check_names_its_variable(variable: str) -> None:
    """The same for what a person runs."""
    done = check(stdin=pod(), **{f"MLMESH_{variable}": "/nowhere/at/all"})
    assert done.returncode == 2
    assert f"MLMESH_{variable}" in done.stderr.decode()


def test_an_empty_variable_is_none() -> None:
    """As scripts set those that they have nothing for; files with : between them are told apart everywhere."""
    for empty in ("", " "):
        assert run(stdin=pod(), MLMESH_REQUIRE_POLICY=empty).returncode == 0
    done = run("values", "explain", command="mlmesh", MLMESH_VALUES="/nowhere:/dev/null")
    assert b"where:  /nowhere\n" in done.stderr
    done = run(stdin=pod(), MLMESH_POLICY=":")
    assert b"its name is empty" in done.stderr
    assert b"MLMESH_POLICY" in done.stderr


def test_a_policy_is_demanded_by_option_and_by_variable() -> None:
    """A stream that lost its policy is refused, not treated by the defaults; off is off."""
    for done in (run("--require-policy", stdin=pod()), run(stdin=pod(), MLMESH_REQUIRE_POLICY="yes")):
        assert (done.returncode, done.stdout) == (2, b"")
        assert b"--require-policy (MLMESH_REQUIRE_POLICY)" in done.stderr
    assert run(stdin=pod(), MLMESH_REQUIRE_POLICY="off").returncode == 0
