"""Documents in the styles that people and programs write, as hypothesis strategies: data, and a text that reads so."""

from typing import Any, TypeVar, cast

from hypothesis import strategies as st

from mlmesh.manifests.quoting import dump, quoted_key

T = TypeVar("T")

WORDS = st.sampled_from(("a", "b", "name", "spec", "x.y/z", "k 1", "é", "containers", "on-call"))
TEXTS = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=8),
    st.sampled_from(
        ("on", "null", "1e3", "0x1F", "a: b", "# c", "- x", "line\nline", " lead", "trail ", "'", '"', "\\")
    ),
)
NUMBERS = st.one_of(st.integers(-(2**63), 2**63 - 1), st.sampled_from((0.5, -1.25, 3.0e-7, 1e300)))
SCALARS = st.one_of(TEXTS, NUMBERS, st.booleans(), st.none())
KEYS = st.one_of(WORDS, TEXTS.filter(lambda text: len(text) < 40))
DATA = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=18,
)
OBJECTS = st.dictionaries(KEYS, DATA, min_size=1, max_size=4)


class Writer:
    """Writes data as text; every choice of style is drawn."""

    def __init__(self, draw: Any, eol: str) -> None:
        self.draw = draw
        self.eol = eol
        self.step: int = draw(st.sampled_from((1, 2, 4)))

    def one_of(self, *choices: T) -> T:
        return cast("T", self.draw(st.sampled_from(choices)))

    def maybe(self) -> bool:
        return bool(self.draw(st.booleans()))

    def often(self) -> bool:
        return bool(self.draw(st.integers(0, 2)))

    def comment(self) -> str:
        return self.one_of("", "", "", " # why: - {a}", "  #")

    def between(self, column: int) -> str:
        """What may stand between two lines."""
        return self.one_of("", "", "", self.eol, f"{' ' * column}# - note: x{self.eol}", f"# left{self.eol}")

    def scalar(self, value: Any) -> str:
        """A scalar on one line."""
        if isinstance(value, str):
            if value.isprintable() and self.maybe():
                return "'" + value.replace("'", "''") + "'"
            if value.isascii() and value.isalpha() and value.lower() not in _TAKEN and self.maybe():
                return value
        if value is None:
            return str(self.one_of("null", "~", "Null"))
        return dump(value)

    def flow(self, value: Any) -> str:
        """Any value in flow style."""
        gap = self.one_of("", " ")
        if isinstance(value, dict):
            entries = (
                f"{self.one_of(quoted_key(key), quoted_key(key) + ' ')}: {self.flow(each)}"
                for key, each in value.items()
            )
            return "{" + gap + f",{gap}".join(entries) + gap + "}"
        if isinstance(value, list):
            return "[" + gap + f",{gap}".join(self.flow(each) for each in value) + gap + "]"
        return self.scalar(value)

    def key(self, name: str) -> str:
        bare = name.isascii() and name.isalpha() and name.lower() not in _TAKEN
        return name if bare and self.maybe() else quoted_key(name)

    def literal(self, text: str, column: int) -> str:
        """A block scalar, for text that can be one."""
        chomp = "" if text.endswith("\n") else "-"
        lines = text.removesuffix("\n").split("\n")
        return f"|{chomp}{self.eol}" + self.eol.join(" " * (column + 2) + line if line else "" for line in lines)

    def after_sign(self, value: Any, column: int) -> str:
        """A value behind the colon of a key at a column, with its last line's end."""
        if isinstance(value, dict) and value and self.often():
            inner = column + self.step
            return self.comment() + self.eol + self.between(inner) + " " * inner + self.block_map(value, inner)
        if isinstance(value, list) and value and self.often():
            dash: int = column + self.one_of(0, self.step)
            return self.comment() + self.eol + self.between(dash) + " " * dash + self.block_list(value, dash)
        if value is None and self.maybe():
            return self.comment() + self.eol
        if isinstance(value, str) and _fits_block(value) and self.maybe():
            return " " + self.literal(value, column) + self.eol
        text = self.flow(value)
        lead = self.one_of(" ", " ", "   ", f"{self.eol}{' ' * (column + 1)}")
        return lead + text + self.comment() + self.eol

    def block_map(self, data: dict[str, Any], column: int) -> str:
        entries = (
            f"{self.key(key)}{self.one_of(':', ':', ' :')}{self.after_sign(each, column)}" for key, each in data.items()
        )
        return self.joined(list(entries), column)

    def block_list(self, data: list[Any], column: int) -> str:
        return self.joined(["-" + self.item(each, column) for each in data], column)

    def item(self, value: Any, column: int) -> str:
        inner = column + 2
        if isinstance(value, dict) and value and self.maybe():
            return " " + self.block_map(value, inner)
        if isinstance(value, list) and value and self.maybe():
            return " " + self.block_list(value, inner)
        if isinstance(value, (dict, list)) and value:
            lead: str = self.comment() + self.eol + " " * inner
            return lead + (self.block_map(value, inner) if isinstance(value, dict) else self.block_list(value, inner))
        if value is None and self.maybe():
            return self.comment() + self.eol
        if isinstance(value, str) and _fits_block(value) and self.maybe():
            return " " + self.literal(value, column) + self.eol
        return " " + self.flow(value) + self.comment() + self.eol

    def joined(self, entries: list[str], column: int) -> str:
        return "".join(
            entry if not index else self.between(column) + " " * column + entry for index, entry in enumerate(entries)
        )


_TAKEN = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


def _fits_block(text: str) -> bool:
    """Whether a text can be a block scalar without an indentation indicator."""
    lines = text.removesuffix("\n").split("\n")
    plain = all(sign == "\n" or sign.isprintable() for sign in text) and "\ufeff" not in text
    return bool(text.strip()) and plain and bool(lines[0]) and not lines[0].startswith(" ") and lines[-1].strip() != ""


@st.composite
def documents(draw: Any) -> tuple[dict[str, Any], str]:
    """An object, and a text that reads as it: block, flow or JSON, with comments, CR LF, or no last line break."""
    data = draw(OBJECTS)
    style = draw(st.sampled_from(("block", "block", "block", "flow", "json", "pretty")))
    eol = draw(st.sampled_from(("\n", "\n", "\r\n")))
    if style == "json":
        return data, dump(data)
    if style == "pretty":
        return data, pretty(data, 0, eol) + eol
    writer = Writer(draw, eol)
    text = writer.flow(data) + eol if style == "flow" else writer.block_map(data, 0)
    head = draw(st.sampled_from(("", "# Source: chart/templates/x.yaml" + eol, eol, "\ufeff")))
    if draw(st.sampled_from((True, False, False))):
        text = text.rstrip("\r\n")  # which may cost a block scalar its own line break
    return data, head + text


@st.composite
def anchored(draw: Any) -> tuple[dict[str, Any], str]:
    """An object with an anchor, aliases of it and merge keys, in block and flow style."""
    base = draw(st.dictionaries(KEYS, DATA, min_size=1, max_size=3))
    own = draw(st.dictionaries(KEYS.filter(lambda key: key not in base), SCALARS, max_size=2))
    again = draw(st.sampled_from([{}, {next(iter(base)): "again"}]))
    writer = Writer(draw, draw(st.sampled_from(("\n", "\r\n"))))
    eol = writer.eol
    anchored_map = writer.one_of(
        f" &b {writer.flow(base)}{eol}", f" &b{writer.comment()}{eol}  {writer.block_map(base, 2)}"
    )
    merge = writer.one_of("<<", "!!merge <<", "<< ")
    merged_block = f"{eol}    {merge}: {writer.one_of('*b', '[*b]')}{eol}" + "".join(
        f"    {writer.key(key)}: {writer.flow(each)}{eol}" for key, each in {**own, **again}.items()
    )
    merged_flow = f" {{<<: *b{''.join(f', {quoted_key(key)}: {writer.flow(each)}' for key, each in own.items())}}}{eol}"
    parts = [
        ("use", base, f" *b{writer.comment()}{eol}"),
        ("block", {**base, **own, **again}, merged_block),
        ("flow", {**base, **own}, merged_flow),
        ("list", [base, 1, {"in": base}], f" [*b, 1, {{in: *b}}]{eol}"),
        ("items", [base, "x"], f"{eol}  - *b{eol}  - x{eol}"),
        ("plain", {"k": {}}, f"{eol}    k: {{}}{eol}"),
    ]
    chosen = draw(st.lists(st.sampled_from(parts), min_size=1, max_size=4, unique_by=lambda part: part[0]))
    text = f"base:{anchored_map}" + "".join(f"{name}:{part}" for name, _, part in chosen)
    return {"base": base} | {name: value for name, value, _ in chosen}, text


def pretty(value: Any, column: int, eol: str) -> str:
    """JSON with line breaks, as programs print it."""
    inner = eol + " " * (column + 2)
    if isinstance(value, dict) and value:
        entries = (f"{quoted_key(key)}: {pretty(each, column + 2, eol)}" for key, each in value.items())
        return "{" + inner + ("," + inner).join(entries) + eol + " " * column + "}"
    if isinstance(value, list) and value:
        return (
            "[" + inner + ("," + inner).join(pretty(each, column + 2, eol) for each in value) + eol + " " * column + "]"
        )
    return dump(value)
