"""What a mesh needs of the machine is told, not stumbled over."""

import os
import shutil

import pytest

from dev.mesh.lab import main, missing


def test_without_root_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Another user learns that it takes root; the clean-up does too, and ends with 1."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert missing() == "root, to make network namespaces"
    assert main(["down"]) == 1
    assert "root" in capsys.readouterr().err


def test_missing_commands_are_named_with_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root without iptables learns the names of the commands and of Debian's packages."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda name: None if name.startswith("iptables") else f"/usr/sbin/{name}")
    assert missing() == "the commands iptables, iptables-restore (Debian: iproute2, iptables, util-linux)"
