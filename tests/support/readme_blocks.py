"""The fenced blocks of the README, and what kind of thing each is: that decides which test runs it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
INSTALLATION = "Plug it in"

FENCE = re.compile(r"^```(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"^# ([\w/]+\.py)\n", re.MULTILINE)
UNIT = re.compile(r"# /etc/systemd/system/([\w-]+\.(?:service|timer))\n")
FOLDED = re.compile(r"^<details>.*?^</details>\n", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """``line`` is where its fence stands; ``section`` the nearest heading of the second level above it."""

    language: str
    text: str
    section: str
    line: int

    @property
    def files(self) -> dict[str, str]:
        """Text by file name, where comments such as ``# settings.py`` name files."""
        _, *parts = FILE.split(self.text)
        return dict(zip(parts[::2], parts[1::2], strict=True))

    @property
    def commands(self) -> list[str]:
        """One a line, continued lines joined."""
        return self.text.replace("\\\n", " ").splitlines()

    def __str__(self) -> str:
        return f"README.md:{self.line}"


def blocks_of(text: str) -> list[Block]:
    """In their order."""
    blocks = []
    for match in FENCE.finditer(text):
        above = "\n" + text[: match.start()]
        heading = above.rpartition("\n## ")[2].partition("\n")[0] if "\n## " in above else ""
        blocks.append(Block(match[1], match[2], heading, above.count("\n")))
    return blocks


BLOCKS = blocks_of(README.read_text())


def section(heading: str) -> str:
    """What stands below a heading, folded or not, up to the next one. Raises ``ValueError`` where there is none."""
    _, text = re.split(rf"^#+ {re.escape(heading)}$", README.read_text(), flags=re.MULTILINE)
    return re.split(r"^##+ ", text, maxsplit=1, flags=re.MULTILINE)[0]


def in_the_open(text: str) -> str:
    """Without what is folded away in ``<details>``."""
    return FOLDED.sub("", text)


def prose(text: str) -> str:
    """Without blocks."""
    return FENCE.sub("", text)


def headings(text: str) -> list[str]:
    """In their order, as they stand behind their ``#``, whatever their level."""
    return re.findall(r"^#+ (.*)$", prose(text), re.MULTILINE)


def anchor(heading: str) -> str:
    """What GitHub and PyPI make of a heading, to be linked to."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def _commands(block: Block, *beginnings: str) -> bool:
    return block.language == "bash" and all(line.strip().startswith(beginnings) for line in block.commands)


#: Who runs what. A block that is of no kind, or of two, fails a test.
KINDS: Mapping[str, Callable[[Block], bool]] = {
    # The whole section is followed step by step in a fresh environment by the test of the package.
    "installation": lambda block: block.section == INSTALLATION,
    # Taken apart, for running it would install this checkout into this checkout.
    "checkout": lambda block: _commands(block, "python3 -m venv"),
    # On fewer keys, by the test of the benchmarks.
    "measuring": lambda block: _commands(block, ".venv/bin/python -m tests.benchmarks"),
    "extra": lambda block: _commands(block, "pip install") and block.section != INSTALLATION,
    "shell": lambda block: (
        _commands(block, "python manage.py", "curl ")
        and block.section != INSTALLATION
        and "db_worker" not in block.text
    ),
    "worker": lambda block: _commands(block, "python manage.py") and "db_worker" in block.text,
    # Users with these rights purge in tests/faults/test_refusals.py and restore in tests/restore/test_permissions.py,
    # and those with fewer are told so.
    "redis": lambda block: block.language == "redis" and block.text.startswith("ACL SETUSER "),
    "crontab": lambda block: block.language == "crontab",
    "unit": lambda block: block.language == "ini" and UNIT.match(block.text) is not None,
    "transcript": lambda block: block.language == "text",
    "files": lambda block: block.language == "python" and bool(block.files) and block.section != INSTALLATION,
    "snippet": lambda block: block.language == "python" and not block.files and block.section != INSTALLATION,
}


def kinds_of(block: Block) -> list[str]:
    """What the block is taken for; exactly one, if all is well."""
    return [name for name, belongs in KINDS.items() if belongs(block)]


def of_kind(kind: str) -> list[Block]:
    """All blocks of a kind."""
    return [block for block in BLOCKS if kinds_of(block) == [kind]]
