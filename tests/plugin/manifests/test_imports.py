"""What reading and editing cost before the first byte: nothing slow is imported."""

import subprocess
import sys

SLOW = {
    *(
        "argparse",
        "base64",
        "bisect",
        "copy",
        "dataclasses",
        "decimal",
        "hashlib",
        "importlib.metadata",
        "inspect",
        "json",
    ),
    *("jsonpatch", "logging", "pathlib", "subprocess", "tempfile", "typing", "typing_extensions", "urllib.parse"),
}
LIST = "import sys; import yaml; before = set(sys.modules); {}; print(*sorted(set(sys.modules) - before), sep='\\n')"


def imported(statement: str) -> set[str]:
    """The modules that a statement imports beyond those of yaml."""
    program = f"import sys; sys.path[:0] = {sys.path!r}; {LIST.format(statement)}"
    done = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_only_our_own_modules_are_imported() -> None:
    """Beside yaml, the reader and the editor import nothing but mlmesh."""
    modules = imported("import mlmesh.manifests.stream, mlmesh.manifests.editor")
    assert {name for name in modules if not name.startswith("mlmesh")} <= set(sys.builtin_module_names)


def test_editing_imports_nothing_slow() -> None:
    """Nothing of the standard library's slow part is imported while a document is read and edited."""
    edit = (
        "from mlmesh.manifests import stream, editor; d = stream.read(b'kind: A\\nb: [1.5]').documents[0]; "
        "d.kind; d.source; d.place; d.data; d = stream.read(b'a: &x {c: 1}\\nb: *x').documents[0]; "
        "editor.edit(d, [dict(op='add', path='/b/d', value='x')]); d.line_of('/b')"
    )
    assert not imported(edit) & SLOW


def test_pyyaml_s_own_patterns_wait_and_work() -> None:
    """A run does not compile what only PyYAML's readers in Python need; who uses these in the same process can."""
    program = (
        f"import sys; sys.path[:0] = {sys.path!r}; import re; before = re.compile; "
        "import mlmesh.manifests.stream, yaml; assert re.compile is before; "
        "assert not isinstance(yaml.reader.Reader.NON_PRINTABLE, re.Pattern); "
        "print(yaml.load('[1.5, yes, 2001-12-14, 0x1f, text, null]', yaml.SafeLoader)); "
        "yaml.load('a: \\x01', yaml.SafeLoader)"
    )
    done = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "[1.5, True, datetime.date(2001, 12, 14), 31, 'text', None]\n"
    assert "unacceptable character #x0001" in done.stderr
