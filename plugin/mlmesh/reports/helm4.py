"""How to be heard under Helm 4, which throws away what a failing post-renderer writes to standard error.

Exit code 0 and one document that is no manifest, a literal block scalar: Helm 4 must refuse it, and prints it whole in
its own error (helm/helm v4 pkg/action ``error while parsing post rendered output``, by kyaml). Helm prints a literal
block only as long as nothing in it needs quoting.
"""


def block_scalar(text: str) -> bytes:
    """The text as one literal block scalar that Helm 4 shows line by line."""
    lines = [_plain(line.expandtabs(4).rstrip()) for line in text.strip().split("\n")]
    return ("|\n" + "\n".join(f"  {line}" if line else "" for line in lines) + "\n").encode()


def _plain(line: str) -> str:
    return "".join(
        sign if sign.isprintable() and sign <= "\uffff" else sign.encode("unicode_escape").decode() for sign in line
    )
