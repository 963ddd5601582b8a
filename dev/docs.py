"""Writes pages of docs/ from the tables that the program, or the tests, read: PAGES lists them, and one for each rule.

python -m dev.docs            write them
python -m dev.docs --check    exit 1 where a committed one differs
"""

import sys
from typing import Any

from dev.corpus_docs import corpus_page
from dev.egress_docs import egress_page
from dev.features import page as features_page
from dev.snippets import page as snippets_page
from dev.toolchain import ROOT
from mlmesh.endpoints.catalogue import STREAMING, STRICTNESS, TYPES
from mlmesh.endpoints.listing import block_text
from mlmesh.endpoints.servers import IMAGES, PROGRAMS, READING, SERVERS
from mlmesh.endpoints.sources import SOURCES
from mlmesh.invariants.allowances import PREFIX
from mlmesh.invariants.registry import rules
from mlmesh.invariants.rule import Rule
from mlmesh.policy.defaults import DEFAULTS, PROXY_ROLES
from mlmesh.policy.fields import SPEC
from mlmesh.policy.names import API_VERSION, KIND
from mlmesh.roles import LABEL
from mlmesh.roles.commands import COMMANDS
from mlmesh.roles.images import NAMES, ORGANIZATIONS, PHRASES
from mlmesh.roles.kinds import KINDS, PARTS, TRIAL, WEAK
from mlmesh.roles.labels import ANNOTATIONS, LABELS

CASES = ROOT / "tests" / "plugin" / "invariants"
RULES = ROOT / "docs" / "rules"

POLICY_HEAD = f"""\
# The policy

<!-- Written by dev/docs.py from the table that reads a policy. -->

The settings of a release for the post-renderer are one document in its stream:

```yaml
apiVersion: {API_VERSION}
kind: {KIND}
metadata:
  name: ml-mesh-mesh-policy
spec:
  sidecars:
    inference:
      proxyCPU: 750m
  endpoints:
    types:
      chat:
        timeout: 600s
```

The chart renders it (its value `policy` goes into `spec` as it is). The cluster has no kind {KIND}: an install that
forgets the post-renderer is refused before anything is changed. The post-renderer puts a ConfigMap in its place, named
`<release>-mesh-policy` and labelled `mlmesh.dev/policy: "true"`, whose key `policy.json` holds the settings; later runs
read them from there.

Layers, each over the one before: built-in defaults, the ConfigMap of an earlier run, the {KIND} of the stream, the
files of `--policy` in their order. Maps merge, lists replace, `null` takes a setting away. Unknown keys and wrong units
are refused, with exit code 2.

`mlmesh policy export` writes the settings of a release as a file for other charts of the same platform, without the
defaults and without the release's own name and namespace; a ConfigMap that `--policy` names tells nothing of these.
`mlmesh policy schema` prints the form that a policy has, as JSON Schema.

A pod's role comes from its label `mlmesh.dev/role`, else from the same label on its workload, else from the component
whose `namespace` and `selector` fit, else from what the manifest says by itself ([roles.md](roles.md)). A route's
endpoint types come from the annotation `endpoint.mlmesh.dev/<rule name>` or `mlmesh.dev/endpoint` on the route, else
from the paths that it matches, else from what it leads to ([endpoints.md](endpoints.md)).

## Fields of `spec`

| field | type | meaning | default |
|---|---|---|---|
"""

ROLES_HEAD = f"""\
# The roles

<!-- Written by dev/docs.py from the tables that tell a pod's role. -->

A pod's role decides what its sidecar gets. The first of these that tells one decides:

1. the label `{LABEL}` on the pod template, then on its object
2. the policy's `components`, by `namespace` and `selector`
3. the object's kind and API group
4. well-known labels of the pod template, then of its object
5. a container's image
6. a container's command: the program that runs, in a shell's script too, or an option that only one program has

`mlmesh plan` shows each pod's role with the signal that told it, and the strongest signal of another role that lost. A
label or a component of yours is taken at its word: what the manifest says besides is not looked at.
Where nothing tells a role the pod has none and is left alone: names of objects and containers, a GPU, a queue's label,
an image that is a placeholder and a base image (Ray's, PyTorch's, Spark's) never choose.

- The image tells what its entrypoint does, so a `command` that starts another known program goes before it: `torchrun`
  in vLLM's image trains. An image that is only kept up (`sleep`), or runs a benchmark, plays no role.
- A server in a Job or CronJob fetches or converts something for itself: it is none of the serving roles.
- Exporters, collectors and proxies count where they are all that a pod has; tools that ride in any pod never do.
- A worker of a LeaderWorkerSet, a DisaggregatedSet or a RayCluster that tells nothing plays the role that another pod
  of the same object tells by image or command.
- `gateway` and `picker` are proxies and endpoint pickers: they get no sidecar's settings.

A role that is told wrongly is corrected by the label or a component.

"""


def _servers() -> str:
    """The rows of the table of servers."""
    rows = []
    for server, types in SERVERS.items():
        words = [", ".join(f"`{word}`" for word in table if table[word] == server) for table in (PROGRAMS, IMAGES)]
        rows.append(f"| {server} | {', '.join(types)} | {words[0]} | {words[1]} |\n")
    return "".join(rows)


def _reading() -> str:
    """The options by server."""
    return "".join(
        f"- {server}: {', '.join(f'`{option}`' for option in options)}\n" for server, options in READING.items()
    )


ENDPOINTS_HEAD = f"""\
# The endpoint types

<!-- Written by dev/docs.py from the catalogue that tells a route's type. -->

A route's timeout and retries follow from what it serves. The catalogue below tells that from the paths and gRPC methods
that model servers register. `mlmesh endpoints` prints it, and `mlmesh endpoints --match PATH` says which types a path
has. An annotation (`endpoint.mlmesh.dev/<rule name>` or `mlmesh.dev/endpoint` on the route) names a type, or several
with commas, and goes before all else. The blocks are the defaults of `endpoints.types.<type>` in [the
policy](policy.md). `mlmesh routes` shows what each rule of a release serves, and why.

## How a route is read

A tail is the end of a path: any base may stand in front (`/openai`, `/NAMESPACE/NAME`, `/v1`), and a final `/` does not
count. `*` is one element, `**` all that follows; `[...]` may be there or not, `|` parts what may stand in it. Words in
front are HTTP methods: reading a job is another type than making one. Of several tails that fit, the one with the most
letters decides, an id's not counted. `%2F` is not decoded.

- **exact path** (VirtualService `exact`, HTTPRoute `Exact`): the type of its longest tail. `ignoreUriCase` is followed.
- **prefix**: the type of the tail that it ends in, or of tails that it ends just before the id of, if these are of one
  type (`/predictions`). The types of tails that go on from there come along: `/v1/chat/completions` is above
  `/v1/chat/completions/render`. VirtualService `prefix` is a raw string, so `/generate` takes `/generate_stream` too;
  HTTPRoute `PathPrefix` goes by whole elements, so `/v1/models/foo` does not take `/v1/models/foo:predict`. A verb
  (`:predict`) is a whole word for both.
- a prefix that ends in no tail (`/`, `/v1`, `/v1/audio`) tells **nothing**, and neither does one that ends in a listing
  with other types below it (`/v1/models`, `/v2`, `/v2/models/M`): which of them clients call, no path says. A match of
  the method GET alone takes no predictions, so there `/v1/models` is a listing.
- **regular expression** (VirtualService `regex`, HTTPRoute and GRPCRoute `RegularExpression`): the paths that it stands
  for in a whole match. Alternatives, optional parts, escapes and small classes are spelt out, and each spelling must
  tell a type. One that ends in any text is a prefix. A wildcard may stand for a base or an id; what else it can spell
  before a tail comes along (`.*/completions` takes `/chat/completions`). What RE2 cannot compile is refused, with exit
  code 2.
- **a path that is rewritten** (`rewrite.uri`, the filter `URLRewrite`): what the server gets is read like a match of
  its own, and goes before what is matched. Where it tells nothing, what is matched does. `uriRegexRewrite` is not
  followed.
- **gRPC** is the path `/package.Service/Method`, without a base, on any kind of route. A method has its type, a service
  the types of all its methods, a method without a service those of that name.

A rule of several types gets the whole block of the type whose repetition costs most, with the longest timeout of all;
the order is {", ".join(f"`{cost}`" for cost in STRICTNESS)}. `admin` beside others is only named: it is to be denied,
and has no block. A rule with one match that tells nothing has no type: the block would bind that too.

What a tail may be besides is written behind it. There the type is told, but nothing is derived for a route unless what
it leads to, or an annotation, says the same: `/search` is any web application's, too.

## What a route leads to

Most routes to model servers match `/` alone. Where a rule has no path, or a prefix that tells nothing (it may be a
base), its backends tell what it serves; all of them must, and the rule serves what they do together. For each, the
first of:

1. the annotation `mlmesh.dev/endpoint` on the InferencePool or the Service
2. a component of the policy with `serves`, whose `selector` is part of the selector of the pool or the Service
3. its pods, of the release or of `--context`: the program that a command runs, else the image where no command replaces
   its entrypoint. Names tell nothing, and neither does a router: what it serves is what the servers behind it do.

| server | serves | commands | images |
|---|---|---|---|
{_servers()}
An option makes some of them read only, and then they serve {", ".join(SERVERS["TEI"])}:

{_reading()}
Where none of this tells, nothing is derived. [MLM216](rules.md) says so of a rule that may lead to a model: to a pool,
beside rules of known types, or under a path that models have.

## What a retry costs

- `pure`: the answer is computed again, and is the same
- `generation`: a whole generation runs again, on the same accelerators
- `creates`: a second object, job or record is made
- `never`: a retry does harm, or hides what it asks for

## What the answer is

{"".join(f"- `{code}`: {text}" + chr(10) for code, text in STREAMING.items())}
"""

RULES_HEAD = f"""\
# The invariants

<!-- Written by dev/docs.py from the registry of rules. -->

Every release must keep these, this chart's and anybody else's. An error stops the release; a warning is told on
standard error and in the report. What is only absent (an identity, a rule) is an error where the release answers for
the namespace or the name, by its Namespace or Service object or the policy's `owns`, and a warning elsewhere.

A rule's severity is changed for a release in its policy, `invariants.severity.<CODE>: error|warning|info|off`. One
object is excused by an annotation on it with a reason: `{PREFIX}<CODE>: <reason>`. Objects of charts that carry
no annotation are named in the policy, `invariants.allow`. What excuses nothing is told. What they say of public
charts is in [corpus.md](corpus.md).

The examples on the pages of the rules are small, and are judged without MLM212, MLM305 and MLM506, of which nearly all
of them would speak.

| code | rule | severity | evidence | fix | what it finds |
|---|---|---|---|---|---|
"""


def policy_page() -> str:
    """The text of docs/policy.md."""
    return (
        POLICY_HEAD
        + "".join(_rows("", SPEC, DEFAULTS))
        + _table("What a role gets", "sidecars.<role>", DEFAULTS["sidecars"])
        + "\nWhat each of them does, and to which pods: [sidecars.md](sidecars.md).\n"
        + _table("Blocks by endpoint type", "endpoints.types.<type>", DEFAULTS["endpoints"]["types"])
    )


def _table(title: str, path: str, defaults: dict[str, dict[str, Any]]) -> str:
    """The built-in defaults of a map whose keys a user may add to."""
    columns = list(dict.fromkeys(key for block in defaults.values() for key in block))
    rows = [["", *columns], ["---"] * (len(columns) + 1)]
    rows += [[f"`{name}`", *(_shown(block.get(key, "")) for key in columns)] for name, block in defaults.items()]
    return f"\n## {title}\n\nThe defaults of `{path}`.\n\n" + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _rows(path: str, schema: dict[str, Any], defaults: Any) -> list[str]:
    rows = []
    fields = dict(schema.get("properties", {}))
    others = schema.get("additionalProperties")
    if isinstance(others, dict):
        fields[f"<{'CODE' if 'propertyNames' in schema else 'name'}>"] = others
    for key, field in fields.items():
        below = f"{path}.{key}" if path else key
        default = defaults.get(key) if isinstance(defaults, dict) else None
        if "description" in field:
            shown = f"`{default}`" if isinstance(default, str) else ""
            rows.append(f"| `{below}` | {_type(field)} | {field['description']} | {shown} |\n")
        nested = defaults.get(key) if isinstance(defaults, dict) else None
        rows += _rows(below, field, nested)
    return rows


def _type(field: dict[str, Any]) -> str:
    if "enum" in field:
        return ", ".join(map(_shown, field["enum"]))
    types = [field["type"]] if isinstance(field["type"], str) else field["type"]
    names = {"object": "map", "string": field.get("format", "string")}
    if "items" in field:
        names["array"] = f"list of {field['items']['type']}s"
    return " or ".join(names.get(name, name) for name in types)


def roles_page() -> str:
    """The text of docs/roles.md."""
    labels = {
        f"{key}={value}" if value else key: role
        for key, row in {**LABELS, **ANNOTATIONS}.items()
        for value, role in ({"": row} if isinstance(row, str) else row).items()
    }
    images = {**NAMES, **{f"*{phrase}*": role for phrase, role in PHRASES}}
    images |= {f"{name}/*": role for name, role in ORGANIZATIONS.items()}
    kinds = {f"{kind}.{group}": role for (group, kind), role in KINDS.items()}
    kinds |= {f"{kind}.{group} ({part})": role for (group, kind), row in PARTS.items() for part, role in row.items()}
    kinds |= {f"any kind at {TRIAL} (Katib)": "training"}
    kinds |= {f"{kind}.{group} (where nothing else tells)": role for (group, kind), role in WEAK.items()}
    blocks = []
    for role in dict.fromkeys((*DEFAULTS["sidecars"], *PROXY_ROLES)):
        lines = [
            f"- {title}: {', '.join(f'`{name}`' for name in sorted(table) if table[name] == role)}\n"
            for title, table in (("kinds", kinds), ("labels", labels), ("images", images), ("commands", COMMANDS))
            if role in table.values()
        ]
        blocks.append(f"## {role}\n\n" + "".join(lines))
    return ROLES_HEAD + "\n".join(blocks)


def endpoints_page() -> str:
    """The text of docs/endpoints.md."""
    blocks = []
    for kind in TYPES.values():
        lines = [f"## {kind.name}\n", f"{block_text(kind)}. A retry: `{kind.retry}`; the answer: `{kind.streaming}`.\n"]
        if kind.grpc_retry_on:
            lines.append(f"Where requests are gRPC, `{kind.grpc_retry_on}` joins the conditions.\n")
        lines.append(f"Served by {kind.served_by}.\n")
        lines += [f"- `{tail}`" + (f": {kind.unsure[tail]}" if tail in kind.unsure else "") for tail in kind.tails]
        lines += [f"- gRPC `{method}`" for method in kind.grpc]
        blocks.append("\n".join(lines) + "\n")
    sources = "".join(f"- {server}: {source}\n" for server, source in SOURCES.items())
    return ENDPOINTS_HEAD + "\n".join(blocks) + f"\n## What was read\n\n{sources}"


def rules_page() -> str:
    """The text of docs/rules.md."""
    rows = [
        f"| [{rule.code}](rules/{rule.code}.md) | {rule.name} | {rule.severity} | {rule.confidence} | "
        f"{rule.fix} | {rule.summary} |\n"
        for rule in rules()
    ]
    return RULES_HEAD + "".join(rows)


def rule_pages() -> dict[str, str]:
    """The page of each rule: its documentation, and the releases that its tests hold it to."""
    return {f"docs/rules/{rule.code}.md": _rule_page(rule) for rule in rules()}


def _rule_page(rule: Rule) -> str:
    cases = CASES / rule.code
    blocks = [
        f"# {rule.code} {rule.name}\n\n{rule.severity}; evidence: {rule.confidence}; fix: {rule.fix}; judged on "
        f"{', '.join(rule.judges)}" + (f"; reads {', '.join(rule.reads)}" if rule.reads else "") + "\n",
        f"{rule.doc}\n",
    ]
    for file, title, language in (
        ("bad.yaml", "A release that breaks it", "yaml"),
        ("expected.txt", "What is said of it", "text"),
        ("good.yaml", "One that keeps it", "yaml"),
    ):
        if (cases / file).exists():
            blocks.append(f"## {title}\n\n```{language}\n{(cases / file).read_text().rstrip()}\n```\n")
    return "\n".join(blocks)


PAGES = {
    "docs/policy.md": policy_page,
    "docs/endpoints.md": endpoints_page,
    "docs/roles.md": roles_page,
    "docs/rules.md": rules_page,
    "docs/corpus.md": corpus_page,
    "docs/egress.md": egress_page,
    "docs/features.md": features_page,
    "docs/snippets.md": snippets_page,
}


def main() -> None:
    """Write the pages, or tell which differ."""
    stale = []
    pages = {name: page() for name, page in PAGES.items()} | rule_pages()
    for name, text in pages.items():
        path = ROOT / name
        if "--check" not in sys.argv:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(name)
    stale += [str(path.relative_to(ROOT)) for path in RULES.glob("*.md") if str(path.relative_to(ROOT)) not in pages]
    if stale:
        sys.exit(f"{' and '.join(stale)} differ from the program: run python -m dev.docs")


if __name__ == "__main__":
    main()
