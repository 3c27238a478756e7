"""Who runs the command, for the record."""

from __future__ import annotations

import getpass
import os


def os_user() -> str:
    """The name of who runs this process; the environment, which anybody may set, is asked last."""
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        pass
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
