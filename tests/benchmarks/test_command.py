"""The README's command, on fewer keys."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.support.readme_blocks import ROOT, of_kind

pytestmark = pytest.mark.slow

FEWER = ("--keys", "6000", "--rounds", "1", "--growth", "2000", "4000")


def test_the_command_writes_a_table_data_and_a_picture(tmp_path: Path) -> None:
    (block,) = of_kind("measuring")
    words = shlex.split(block.text)
    files = [tmp_path / "figures.json", tmp_path / "figures.svg"]
    options = [*words[1:], *FEWER, "--json", str(files[0]), "--svg", str(files[1])]

    done = subprocess.run([sys.executable, *options], cwd=ROOT, capture_output=True, text=True, check=True)

    data = json.loads(files[0].read_text())
    gone = {name: rounds[0]["keys_gone"] for name, rounds in data["ways"].items()}
    assert gone["floor"] == gone["sweep"] == gone["SCAN 10,000 a family, UNLINK a key"] == gone["delete_pattern"]
    assert {gone["by_deal"], gone["guarded by_deal"], gone["delete_pattern, itersize 10,000, one deal"]} == {45}
    assert len(data["growth"]) == 2
    assert all(name in done.stdout for name in gone)
    assert ElementTree.parse(files[1]).getroot().tag.endswith("svg")  # noqa: S314 - our own
