from __future__ import annotations

# Here and not in the module: pytest ends a fixture of a package with the package whose conftest has it.
from tests.browser.conftest import chromium as chromium
