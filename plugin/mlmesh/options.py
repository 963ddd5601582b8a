"""The options that the commands share: one table, read by ``mlmesh-post`` itself, and by click for the rest."""

ON = ("1", "true", "t", "yes", "y", "on")  # what click, too, takes in a variable for a switch that is on, or off
OFF = ("0", "false", "f", "no", "n", "off")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def variable(flag: str) -> str:
    """The environment variable that stands for an option: ``MLMESH_REPORT_FORMAT`` for ``--report-format``."""
    return "MLMESH_" + flag.lstrip("-").upper().replace("-", "_")


class Option:
    """One option: its flag, its value's name in help (empty: it takes none), and whether it may be repeated."""

    __slots__ = ("choices", "flag", "help", "metavar", "multiple")

    def __init__(
        self, flag: str, metavar: str, text: str, *, multiple: bool = False, choices: tuple[str, ...] = ()
    ) -> None:
        self.flag = flag
        self.metavar = metavar
        self.help = text
        self.multiple = multiple
        self.choices = choices

    @property
    def name(self) -> str:
        """The option's name without dashes in front: ``report-format``."""
        return self.flag.removeprefix("--")

    @property
    def variable(self) -> str:
        """The environment variable that stands for the option: ``MLMESH_REPORT_FORMAT``."""
        return variable(self.flag)


POLICY = Option(
    "--policy",
    "FILE",
    "A MeshPolicy, or the ConfigMap of an earlier run, laid over the stream's own policy. Repeat it for several files; "
    "in the variable separate them with ':'.",
    multiple=True,
)
REQUIRE_POLICY = Option(
    "--require-policy",
    "",
    "Refuse a stream that has no policy, in place of treating it by the defaults. In the variable: 1.",
)
CONTEXT = Option(
    "--context",
    "FILE",
    "Manifests of what other releases or the cluster hold (`kubectl get -A -o yaml` too): only looked at, to know what "
    "hosts, routes and identities name; never judged, never written. Repeat it for several files; in the variable "
    "separate them with ':'.",
    multiple=True,
)
NAMESPACE = Option("--namespace", "NAMESPACE", "The release's namespace, for objects that name none.")
VALUES = Option(
    "--values",
    "FILE",
    "A values file of the chart ml-mesh: findings tell the line in it that they are owed to, where that can be known. "
    "Repeat it for several files, in Helm's order; in the variable separate them with ':'.",
    multiple=True,
)
REPORT = Option("--report", "FILE", "Write the findings, or the error that ended the run, to a file as well.")
REPORT_FORMAT = Option(
    "--report-format",
    "FORMAT",
    "The report's format: text (default), json, sarif, junit, github or gitlab.",
    choices=("text", "json", "sarif", "junit", "github", "gitlab"),
)
CHAIN = Option(
    "--chain",
    "CMD",
    "Another post-renderer, run before this one: a program with its arguments, without a shell. It gets the manifests "
    "on its standard input, and what it prints is read in their place. It must not run mlmesh-post.",
)
BASELINE = Option(
    "--baseline", "FILE", "Findings that are known: they are left out. `mlmesh check --write-baseline` writes the file."
)
WARN_ONLY = Option(
    "--warn-only",
    "",
    "Let errors pass, for a first rollout: they are told as ever, and stop nothing. In the variable: 1.",
)

ON_FAILURE = Option(
    "--on-failure",
    "WHAT",
    "What is printed in place of manifests that are held back: nothing (default), or a document, one object that no "
    "cluster takes and that says why, for hosts that apply what is printed whatever the exit code is.",
    choices=("nothing", "document"),
)

POST_OPTIONS = (
    POLICY,
    REQUIRE_POLICY,
    CONTEXT,
    NAMESPACE,
    VALUES,
    CHAIN,
    BASELINE,
    WARN_ONLY,
    ON_FAILURE,
    REPORT,
    REPORT_FORMAT,
)


def parse(arguments: "Sequence[str]", environ: "Mapping[str, str]") -> dict[str, list[str]] | None:
    """The values of each option by name, from arguments over environment; None where click must have the word.

    That is so for ``--help``, ``--version`` and everything that is not plainly ``--flag VALUE``, ``--flag=VALUE`` or
    ``--flag`` where that takes none.
    """
    by_flag = {option.flag: option for option in POST_OPTIONS}
    values: dict[str, list[str]] = {}
    rest = list(arguments)
    while rest:
        flag, equals, value = rest.pop(0).partition("=")
        option = by_flag.get(flag)
        takes = option is not None and option.metavar
        if option is None or bool(equals) > bool(takes) or (takes and not equals and not rest):
            return None
        if not equals:
            value = rest.pop(0) if takes else "1"
        values[option.name] = [*values.get(option.name, ()), value] if option.multiple else [value]
    for option in POST_OPTIONS:
        from_environment = environ.get(option.variable)
        if option.name not in values and from_environment:
            if option.metavar:
                values[option.name] = from_environment.split(":") if option.multiple else [from_environment]
            elif from_environment.strip().lower() in ON:
                values[option.name] = ["1"]
            elif from_environment.strip().lower() not in ("", *OFF):
                return None
        if option.choices and not set(values.get(option.name, ())) <= set(option.choices):
            return None
    return values
