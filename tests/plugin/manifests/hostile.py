"""A megabyte of each shape that costs a careless reader seconds, gigabytes or its stack."""

SIZE = 1_000_000


def _full(unit: bytes) -> bytes:
    return unit * (SIZE // len(unit))


def _numbered(line: bytes) -> bytes:
    lines: list[bytes] = []
    size = 0
    while size < SIZE:
        lines.append(line.replace(b"%", b"%d" % len(lines)))
        size += len(lines[-1])
    return b"".join(lines)


HEAD = b"kind: Pod\n"
CASES: dict[str, bytes] = {
    "33,000 documents": _full(b"kind: Service\nspec: {a: b}\n---\n"),
    "smallest documents": _full(b"kind: Pod\n---\n"),
    "documents without kind": _full(b"a: kind\n---\n"),
    "separators only": _full(b"---\n"),
    "comments only": _full(b"#\n---\n"),
    "blank lines": _full(b"\n"),
    "file heads of helm-unittest": _full(b"#### file: x\n---\nkind: A\n---\n"),
    "kind lines": _full(b"kind: Pod\n"),
    "flow list": HEAD + b"a: [" + _full(b"a,") + b"]",
    "flow map": HEAD + b"a: {" + _full(b"a,") + b"}",
    "empty flow lists": HEAD + b"a: [" + _full(b"[],") + b"]",
    "dashes": HEAD + b"a:\n" + _full(b"-\n"),
    "keys": HEAD + b"a:\n" + _numbered(b" k%:\n"),
    "number keys": HEAD + b"a:\n" + _numbered(b" %:\n"),
    "numbers": HEAD + b"a:\n" + _numbered(b"- %.5e7\n"),
    "duplicate keys": HEAD + b"a:\n" + _full(b" a:\n"),
    "sparse duplicate keys": HEAD + b"a:\n" + _full(b" aaaaaaaaaaaaa: bbbb\n"),
    "brackets": HEAD + b"a: " + b"[" * SIZE,
    "braces": HEAD + b"a: " + _full(b"{a: "),
    "dashes on a line": HEAD + b"a:\n" + _full(b"- "),
    "question marks": HEAD + b"a:\n" + _full(b"? "),
    "growing indent": HEAD + b"".join(b" " * column + b"a:\n" for column in range(1400)),
    "nested as far as allowed": HEAD + b"a: [" + _full(b"[" * 190 + b"]" * 190 + b",") + b"]",
    "alias bomb": HEAD + b"a0: &a0 x\n" + _numbered(b"a%: &a% [*a0, *a0, *a0, *a0, *a0, *a0, *a0]\n"),
    "aliases": HEAD + b"a: &a [x]\nb: [" + _full(b"*a,") + b"]",
    "aliases of a large map": HEAD
    + b"a: &a {"
    + _numbered(b"k%: 1,")[:300_000]
    + b"}\nb: ["
    + _full(b"*a,")[:600_000]
    + b"]",
    "quadratic merges": HEAD + b"a: &a {" + b"k: 1," * 9_000 + b"}\nb: {<<: [" + b"*a," * 9_000 + b"]}",
    "merges of merges": HEAD
    + b"a: &a {x: 1}\n"
    + b"".join(b"b%d: &b%d {<<: *a, x%d: 1}\n" % (n, n, n) for n in range(7_000)),
    "anchors": HEAD + b"a: &x 1\nb: *x\n" + _numbered(b"k%: &a% 1\n"),
    "undefined alias": HEAD + b"b: *a\n" + _numbered(b"k%: &a% 1\n"),
    "tags": HEAD + b"a: [" + _full(b"!!str a,") + b"]",
    "exclamation marks": HEAD + b"a: '" + _full(b" ! ") + b"'",
    "stars": HEAD + b'a: "' + _full(b" *") + b'"',
    "long line": HEAD + b"a: " + b"x" * SIZE,
    "long key": HEAD + b"x" * SIZE + b": 1",
    "escapes": HEAD + b'a: "' + _full(b"\\n") + b'"',
    "digits": HEAD + b"a: " + b"1" * SIZE,
    "hexadecimal digits": HEAD + b"a: 0x" + b"f" * SIZE,
    "underscores": HEAD + b"a: " + _full(b"1_"),
    "fraction": HEAD + b"a: 1." + b"1" * SIZE + b"e5",
    "folded lines": HEAD + b"a: >\n" + _full(b" x\n\n"),
    "block scalars": HEAD + b"a:\n" + _full(b"- |\n"),
    "base64": HEAD + b"a: !!binary " + _full(b"QUJD"),
    "NUL": HEAD + b"a: " + b"\0" * SIZE,
    "no UTF-8": HEAD + b"a: " + b"\xff" * SIZE,
    "tabs": HEAD + _full(b"\tx: 1\n"),
    "carriage returns": _full(b"kind: Pod\r"),
    "directives": _full(b"%YAML 1.1\n"),
    "broken separator at the end": _full(b"a: 1\n") + b"---x\n",
    "name without end": HEAD + b"metadata:\n" + _full(b"  #\n") + b"  name: [",
}
