"""Writes docs/policy.md and docs/rules.md from the tables that the program itself reads.

python -m dev.docs            write them
python -m dev.docs --check    exit 1 where a committed one differs
"""

import sys
from typing import Any

from dev.toolchain import ROOT
from mlmesh.invariants.registry import ALLOW_PREFIX, RULES
from mlmesh.policy.defaults import DEFAULTS
from mlmesh.policy.fields import API_VERSION, KIND, SPEC

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

A pod's role comes from its label `mlmesh.dev/role`, else from the same label on its workload, else from the component
whose `namespace` and `selector` fit; nothing is guessed. A route's endpoint type comes from the annotation
`endpoint.mlmesh.dev/<rule name>` or `mlmesh.dev/endpoint` on the VirtualService, else from the paths that it matches.

## Fields of `spec`

| field | type | meaning | default |
|---|---|---|---|
"""

RULES_HEAD = f"""\
# The invariants

<!-- Written by dev/docs.py from the registry of rules. -->

Every release must keep these, this chart's and anybody else's. An error stops the release; a warning is told on
standard error and in the report. What is only absent (an identity, a rule) is an error where the release answers for
the namespace or the name, by its Namespace or Service object or the policy's `owns`, and a warning elsewhere.

A rule's severity is changed for a release in its policy, `invariants.severity.<CODE>: error|warning|info|off`. One
object is excused by an annotation on it with a reason: `{ALLOW_PREFIX}<CODE>: <reason>`.

"""


def policy_page() -> str:
    """The text of docs/policy.md."""
    return (
        POLICY_HEAD
        + "".join(_rows("", SPEC, DEFAULTS))
        + _table("Sizes by role", "sidecars.<role>", DEFAULTS["sidecars"])
        + _table("Blocks by endpoint type", "endpoints.types.<type>", DEFAULTS["endpoints"]["types"])
    )


def _table(title: str, path: str, defaults: dict[str, dict[str, Any]]) -> str:
    """The built-in defaults of a map whose keys a user may add to."""
    columns = list(next(iter(defaults.values())))
    rows = [["", *columns], ["---"] * (len(columns) + 1)]
    rows += [[f"`{name}`", *(str(block.get(key, "")) for key in columns)] for name, block in defaults.items()]
    return f"\n## {title}\n\nThe defaults of `{path}`.\n\n" + "".join(f"| {' | '.join(row)} |\n" for row in rows)


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
        return ", ".join(field["enum"])
    if field["type"] == "array":
        return "list of strings"
    types = [field["type"]] if isinstance(field["type"], str) else field["type"]
    names = {"object": "map", "string": field.get("format", "string")}
    return " or ".join(names.get(name, name) for name in types)


def rules_page() -> str:
    """The text of docs/rules.md."""
    blocks = []
    for rule in RULES:
        module = sys.modules[rule.check.__module__].__doc__ or ""
        why = module.split("\n\n", 1)[1].strip() if "\n\n" in module else ""
        blocks.append(
            f"## {rule.code} {rule.name}\n\n"
            f"{rule.severity}; judged on {' and '.join(rule.kinds)}; evidence: {rule.confidence}\n\n"
            f"{rule.summary}\n" + (f"\n{why}\n" if why else "")
        )
    return RULES_HEAD + "\n".join(blocks)


PAGES = {"docs/policy.md": policy_page, "docs/rules.md": rules_page}


def main() -> None:
    """Write the pages, or tell which differ."""
    stale = []
    for name, page in PAGES.items():
        path = ROOT / name
        if "--check" not in sys.argv:
            path.parent.mkdir(exist_ok=True)
            path.write_text(page())
        elif not path.exists() or path.read_text() != page():
            stale.append(name)
    if stale:
        sys.exit(f"{' and '.join(stale)} differ from the program: run python -m dev.docs")


if __name__ == "__main__":
    main()
