"""The Ray runtime of fedsilo."""

import sys

from fedsilo_actors.ray_token import show_token

# Ray reads that when it is imported. Said later it would only reach the servers that this process starts, which would
# then want a token that the process itself does not show.
if "ray" not in sys.modules:
    show_token()
