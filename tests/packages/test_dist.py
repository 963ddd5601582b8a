"""`make dist`: what is in the release, that it is signed, and that the same commit gives the same bytes."""

import hashlib
import json
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

import mlmesh
from dev.changelog import KINDS
from dev.helm import Helm
from dev.lock import LOCK, runtime
from dev.release.helm import first_sentence
from dev.toolchain import ROOT
from tests.packages.conftest import Keys, Released, make_dist

VERSION = mlmesh.__version__


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_release_is_these_files(released: Released) -> None:
    """The folder holds what the help lists, and nothing else."""
    assert sorted(path.name for path in released.folder.iterdir()) == sorted(
        [
            "SHA256SUMS",
            "SHA256SUMS.asc",
            f"ml-mesh-{VERSION}.tgz",
            f"ml-mesh-{VERSION}.tgz.prov",
            f"mlmesh-{VERSION}-py3-none-any.whl",
            f"mlmesh-{VERSION}.cdx.json",
            f"mlmesh-{VERSION}.tar.gz",
            f"mlmesh-post-{VERSION}.tgz",
            f"mlmesh-post-{VERSION}.tgz.prov",
            "mlmesh-signing-key.gpg",
            "requirements.txt",
        ]
    )


def test_the_same_commit_gives_the_same_bytes(released: Released, tmp_path: Path) -> None:
    """Another checkout, umask and time, changes that are not committed, unknown files: the same bytes all the same."""
    root = tmp_path / "other"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(root)], check=True, timeout=120)
    (root / "plugin" / "mlmesh" / "secret.py").write_text("x = 1\n")
    (root / "chart" / "notes.txt").write_text("mine\n")
    (root / "README.md").write_text("changed\n")
    done = make_dist("--unsigned", root=root, umask=0o077)
    assert done.returncode == 0, done.stderr
    assert "not committed" in done.stderr
    again = root / "dist"
    names = {path.name for path in again.iterdir()} - {"SHA256SUMS"}
    assert len(names) == 6
    assert {name: _sum(again / name) for name in names} == {name: _sum(released.folder / name) for name in names}


def test_a_release_is_signed_unless_it_is_said_not_to_be(tmp_path: Path) -> None:
    """Without a key the call is wrong, and says what to do; a key file that is not there is named."""
    done = make_dist("--out", str(tmp_path / "dist"), env={"PATH": "/usr/bin:/bin"})
    assert (done.returncode, (tmp_path / "dist").exists()) == (2, False)
    assert "--unsigned" in done.stderr
    done = make_dist("--out", str(tmp_path / "dist"), "--key", "x", "--keyring", str(tmp_path / "none.gpg"))
    assert (done.returncode, (tmp_path / "dist").exists()) == (2, False)
    assert f"there is no file {tmp_path}/none.gpg" in done.stderr


def test_a_wrong_passphrase_makes_no_release(new_keys: Callable[[str], Keys], tmp_path: Path) -> None:
    """It fails, and what an earlier run made stays as it was; the passphrase is not printed."""
    keys = new_keys("other <other@example.com>")
    wrong = tmp_path / "wrong"
    wrong.write_text("hunter2hunter2")
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "old").touch()
    done = make_dist("--out", str(tmp_path / "dist"), *keys._replace(passphrase=wrong).options)
    assert done.returncode == 1
    assert "helm package" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr
    assert [path.name for path in (tmp_path / "dist").iterdir()] == ["old"]


def test_the_checksums_are_signed_and_true(released: Released, tmp_path: Path) -> None:
    """gpg and sha256sum take them as they are; a changed file, and a changed list, are refused."""
    folder = tmp_path / "download"
    shutil.copytree(released.folder, folder)

    def verified() -> bool:
        gpg = ["gpgv", "--keyring", str(folder / "mlmesh-signing-key.gpg"), "SHA256SUMS.asc", "SHA256SUMS"]
        signed = subprocess.run(gpg, cwd=folder, capture_output=True, check=False)
        check = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
        sums = subprocess.run(check, cwd=folder, capture_output=True, check=False)
        return (signed.returncode, sums.returncode) == (0, 0)

    assert verified()
    listed = re.findall(r"^\w{64}  (\S+)$", (folder / "SHA256SUMS").read_text(), re.MULTILINE)
    made = {path.name for path in folder.iterdir()}
    assert set(listed) == made - {"SHA256SUMS", "SHA256SUMS.asc", "mlmesh-signing-key.gpg"}
    sums = (folder / "SHA256SUMS").read_text()
    (folder / "requirements.txt").write_text("click\n")
    assert not verified()
    (folder / "SHA256SUMS").write_text(re.sub(r"\w{64}(?=  requirements)", _sum(folder / "requirements.txt"), sums))
    assert not verified()


@pytest.mark.parametrize("name", ["helm3", "helm4"])
def test_helm_verifies_the_chart(
    released: Released, helm: Callable[[str], Helm], new_keys: Callable[[str], Keys], tmp_path: Path, name: str
) -> None:
    """`helm verify` takes the chart with the release's key; another key, or another byte, is refused."""
    for file in released.folder.glob("ml-mesh-*"):
        shutil.copy(file, tmp_path)
    (archive,) = tmp_path.glob("*.tgz")
    key = str(released.folder / "mlmesh-signing-key.gpg")
    done = helm(name).run("verify", str(archive), "--keyring", key)
    assert done.returncode == 0, done.stderr
    assert released.keys.name in done.stdout
    other = helm(name).run("verify", str(archive), "--keyring", str(new_keys("stranger").public))
    assert other.returncode == 1
    archive.write_bytes(archive.read_bytes()[:-1] + b"x")
    tampered = helm(name).run("verify", str(archive), "--keyring", key)
    assert tampered.returncode == 1
    assert "sha256" in tampered.stderr


@pytest.mark.parametrize("name", ["helm3", "helm4"])
def test_the_packed_chart_is_the_chart(released: Released, helm: Callable[[str], Helm], name: str) -> None:
    """From the archive Helm renders what it renders from the folder, and lint has nothing to say."""
    archive = str(released.one("ml-mesh-*.tgz"))
    packed, folder = (helm(name).run("template", "ml-mesh", chart, "-n", "ml-mesh") for chart in (archive, "chart/"))
    assert packed.returncode == 0, packed.stderr
    assert packed.stdout == folder.stdout
    linted = helm(name).run("lint", archive, "--strict")
    assert linted.returncode == 0, linted.stdout
    with tarfile.open(archive) as files:
        assert not [each for each in files.getnames() if each.startswith("ml-mesh/ci/")]


def test_the_changes_are_those_of_the_changelog(released: Released) -> None:
    """The packed chart tells Artifact Hub the changes of its version, each a plain sentence with its kind."""
    with tarfile.open(released.one("ml-mesh-*.tgz")) as files:
        member = files.extractfile("ml-mesh/Chart.yaml")
        assert member
        annotations = yaml.safe_load(member)["annotations"]
    changes = yaml.safe_load(annotations["artifacthub.io/changes"])
    assert len(changes) > 20
    for change in changes:
        assert change["kind"] in {kind.lower() for kind in KINDS}
        assert re.fullmatch(r"[^\n*`]{8,}", change["description"])
    assert first_sentence("**A `b`**: see [c](d.md), once. Then: - e") == "A b: see c, once"
    assert first_sentence("Invariants, each a page: - routing - more") == "Invariants, each a page"


def test_the_bill_of_materials_is_valid_and_whole(released: Released) -> None:
    """CycloneDX's own schema takes it; it has each locked package that the wheel needs, and the chart with its sum."""
    text = released.one("*.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    broken = text.replace('"type": "library"', '"type": "nonsense"', 1)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(broken) is not None
    bill = json.loads(text)
    parts = {part["name"].lower(): part for part in bill["components"]}
    locked = dict(re.findall(r"^(\S+)==(\S+)", (released.folder / "requirements.txt").read_text(), re.MULTILINE))
    assert {name: parts[name]["version"] for name in locked} == locked
    assert parts["jsonpointer"]["licenses"][0]["license"]["id"] == "BSD-3-Clause"
    main = bill["metadata"]["component"]
    assert (main["name"], main["version"]) == ("mlmesh", VERSION)
    assert main["hashes"] == [{"alg": "SHA-256", "content": _sum(released.one("*.whl"))}]
    assert parts["ml-mesh"]["hashes"] == [{"alg": "SHA-256", "content": _sum(released.one("ml-mesh-*.tgz"))}]
    depends = {each["ref"]: each.get("dependsOn", []) for each in bill["dependencies"]}
    assert "registry.k8s.io/gateway-api-inference-extension/epp:v1.5.0" in depends["ml-mesh"]
    assert any(each.startswith("jsonpointer") for each in depends["jsonpatch==" + locked["jsonpatch"]])


def test_the_locked_requirements_are_what_pyproject_needs() -> None:
    """They are the four packages and what those need, not what development needs."""
    found = runtime(LOCK.read_text(), (ROOT / "pyproject.toml").read_text())
    names = re.findall(r"^(\S+)==", found, re.MULTILINE)
    assert names == ["click", "deepmerge", "jsonpatch", "jsonpointer", "pyyaml"]
    assert found.count("--hash=sha256:") > len(names)


def test_the_listed_images_are_those_of_the_values() -> None:
    """Chart.yaml lists each image that the chart's own values name, for Artifact Hub and the bill, and no other."""
    annotations = yaml.safe_load((ROOT / "chart" / "Chart.yaml").read_text())["annotations"]
    listed = {item["image"] for item in yaml.safe_load(annotations["artifacthub.io/images"])}
    texts = [(ROOT / "chart" / "values.yaml").read_text()]
    texts += [path.read_text() for path in (ROOT / "chart" / "files").glob("*.yaml")]
    assert listed == {each for text in texts for each in re.findall(r"^ *#? *image: (\S+:\S+)$", text, re.MULTILINE)}
