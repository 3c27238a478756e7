"""What stands below the options in ``--help``: examples to copy, and exit codes."""

from __future__ import annotations

from itertools import groupby

from django.core.management.base import DjangoHelpFormatter

PURGE_EXAMPLES = r"""
Examples:
  What would go, and what would stay because somebody works on it?
    python manage.py purge_deals --mode all --exclude-active-within 1h
  One deal goes, whoever works on it; the numbers are shown first:
    python manage.py purge_deals --mode by_deal --org-id acme --deal-id deal-1 \
        --no-dry-run
  The deals of a file, one a line, but for those that somebody works on:
    python manage.py purge_deals --mode by_deal --deals-from deals.txt \
        --exclude-active-within 1h --no-dry-run
  By itself every night, and nothing if it would be more than 500 deals:
    python manage.py purge_deals --mode all --exclude-active-within 90d \
        --at-most-deals 500 --no-dry-run --no-input --reason nightly --quiet
  Whose is this key, and why did it stay?
    python manage.py purge_deals --explain canvas:lock:acme:deal-1
"""
PRUNE_EXAMPLES = r"""
Examples:
  What would be dropped?
    python manage.py prune_purge_runs --older-than 400d
  By itself every night, with a word only if something goes wrong:
    python manage.py prune_purge_runs --older-than 400d --no-dry-run --quiet
"""
ARCHIVE_EXAMPLES = r"""
Examples:
  What would be removed, because its time is over?
    python manage.py purge_archives
  By itself every night, with a word only if something goes wrong:
    python manage.py purge_archives --no-dry-run --quiet
  That of one run, now, since what it holds is to be forgotten:
    python manage.py purge_archives \
        --run 0f8a9c52-6d4e-4b7b-9c11-5f0e3a7d2b64 --no-dry-run
"""
RESTORE_EXAMPLES = r"""
Examples:
  What would come back of this purge, and what would it meet?
    python manage.py restore_deals 0f8a9c52-6d4e-4b7b-9c11-5f0e3a7d2b64
  One deal comes back; the numbers are shown first:
    python manage.py restore_deals 0f8a9c52-6d4e-4b7b-9c11-5f0e3a7d2b64 \
        --deal acme:deal-1 --no-dry-run
"""
STREAMS = """
What is asked and how far it is goes to the standard error, the outcome to the standard output.
"""
PURGE_CODES = """
Exit codes: 0 done, 1 not done or not all of it, 2 usage, 3 none of the named deals has keys in Redis, 129 stopped by
a terminal that went away, 130 by Ctrl-C, 143 by SIGTERM; 141 where nobody read the output to its end, as behind a
pipe to head.
"""
RESTORE_CODES = """
Exit codes: 0 done, 1 not done or not all of it, 2 usage, 3 none of the named deals is in the archive, 129 stopped by
a terminal that went away, 130 by Ctrl-C, 143 by SIGTERM; 141 where nobody read the output to its end.
"""
PRUNE_CODES = """
Exit codes: 0 done, 1 not done or not all of it, 2 usage, 129 stopped by a terminal that went away, 130 by Ctrl-C,
143 by SIGTERM; 141 where nobody read the output to its end.
"""


class HelpFormatter(DjangoHelpFormatter):
    """Fills the lines of a paragraph, but for those that are indented, as examples are: these stay as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        blocks = []
        for kept, lines in groupby(text.strip("\n").split("\n"), lambda line: not line or line.startswith(" ")):
            block = "\n".join(lines)
            blocks.append(block if kept else super()._fill_text(block, width, indent))
        return "\n".join(blocks)
