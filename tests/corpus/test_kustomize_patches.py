"""Other projects' streams under the exported patches: kustomize makes of them what the post-renderer makes."""

from collections.abc import Callable, Iterator
from pathlib import Path

from mlmesh.commands.kustomize import kustomization
from mlmesh.manifests import stream as manifests
from mlmesh.manifests.objects import objects
from mlmesh.post_renderer import post_render
from tests.corpus.wrapping import policy_for
from tests.support.kustomizations import build, by_key, typed


def taken(data: bytes) -> Iterator[bytes]:
    """The documents of a stream that kustomize takes together: objects with a name, each once."""
    seen: set[tuple[str, ...]] = set()
    for document in manifests.read(data).documents:
        items = list(objects(document, document.data))
        keys = {(item.api_version, item.kind, item.namespace or "default", item.name) for item in items}
        named = all((item.data.get("metadata") or {}).get("name") for item in items)
        if named and len(keys) == len(items) and not keys & seen:
            seen |= keys
            yield document.text


def test_the_patches_give_what_the_post_renderer_gives(
    corpus: Path, tmp_path: Path, tool: Callable[[str], str]
) -> None:
    """Each stream, under a policy that gives every labelled pod a role, object by object.

    kustomize itself changes a stream, so the post-renderer's output goes through it, too, without patches.
    """
    tool("kustomize")
    patches, refused = 0, {}
    for path in sorted(corpus.glob("*.yaml")):
        stream = b"\n---\n".join(taken(path.read_bytes()))
        result = post_render(stream, [("p", policy_for(stream.decode()).encode())])
        assert not result.failed
        folder = tmp_path / path.stem
        ours = build(folder, b"".join(result.output))
        if ours.returncode:
            assert build(folder, stream).returncode, path.stem
            refused[path.stem] = ours.stderr.strip().splitlines()[-1]
            continue
        theirs = build(folder, stream, kustomization(result.stream.documents, result.patches))
        assert theirs.returncode == 0, theirs.stderr
        assert typed(by_key(theirs.stdout)) == typed(by_key(ours.stdout)), path.stem
        patches += len(result.patches)
    assert all("already defined at" in said for said in refused.values()), refused  # a key twice
    assert len(refused) < 10
    assert patches > 400
