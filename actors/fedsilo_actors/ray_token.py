"""Shows the user's Ray token to clusters, as `ray start` and `ray.init` do and Ray's job client and `ray://` do not.

Imports nothing of Ray, which reads the environment when it is imported.
"""

from __future__ import annotations

import os
from pathlib import Path

MODE = "RAY_AUTH_MODE"
_TOKENS = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")


def show_token() -> None:
    """Has Ray show the token of this account to clusters, unless the environment decides otherwise."""
    named = any(os.environ.get(name) for name in _TOKENS)
    if MODE not in os.environ and (named or (Path.home() / ".ray" / "auth_token").is_file()):
        os.environ[MODE] = "token"
