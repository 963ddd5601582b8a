"""Text that looks like a manifest's, the same on every run: no two numbers give the same names."""

_TEXT = (
    "the request that a client sends is answered by one of the replicas behind this service and its latency counts "
    "towards the objective of the model server which batches prompts by length before a worker decodes them with a "
    "cache shared among all sessions unless memory runs short then older entries are evicted first"
)
_WORDS = _TEXT.split()

NAMESPACE = "ml-serving"


def sentence(seed: int, words: int) -> str:
    """So many words, another choice of them for every seed."""
    step = 7 + seed % 11
    return " ".join(_WORDS[(seed * 13 + at * step) % len(_WORDS)] for at in range(words)).capitalize() + "."


def head(api_version: str, kind: str, name: str, *, namespaced: bool = True) -> str:
    """The lines of an object down to its labels, as a chart's helper writes them, `# Source:` first."""
    namespace = f"  namespace: {NAMESPACE}\n" if namespaced else ""
    return (
        f"# Source: platform/templates/{kind.lower()}.yaml\n"
        f"apiVersion: {api_version}\n"
        f"kind: {kind}\n"
        "metadata:\n"
        f"  name: {name}\n"
        f"{namespace}"
        "  labels:\n"
        f"    app.kubernetes.io/name: {name}\n"
        "    app.kubernetes.io/instance: platform\n"
        '    app.kubernetes.io/version: "1.31.0"\n'
        "    app.kubernetes.io/managed-by: Helm\n"
        "    helm.sh/chart: platform-4.2.1\n"
    )


def indented(text: str, columns: int) -> str:
    """The text with every line moved to the right."""
    margin = " " * columns
    return "".join(margin + line for line in text.splitlines(keepends=True))
