"""The Ray runtime of fedsilo."""

import sys

from fedsilo_actors.ray_token import show_token

# Ray reads the variable when it is imported. Set later, it would only reach the servers that this process starts, and
# these would require a token that the process itself does not show.
if "ray" not in sys.modules:
    show_token()
