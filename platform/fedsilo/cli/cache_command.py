"""`fedsilo cache ls|clear`: the feature cache."""

from __future__ import annotations

from fedsilo.cli.command_group import CommandGroup
from fedsilo.cli.output import line, show_json
from fedsilo.cli.run_commands import Json

app = CommandGroup(help="The cache of image features.", no_args_is_help=True)


@app.command("ls")
def ls(json: Json = False) -> None:
    """Print the folder of the cache, its number of entries and its size.

    Args:
        json: Whether to print JSON.
    """
    from fedsilo.models.clip.feature_cache import FeatureCache

    cache = FeatureCache()
    entries = cache.entries()
    size = sum(entry.size for entry in entries)
    if json:
        show_json({"folder": str(cache.folder), "entries": len(entries), "bytes": size})
        return
    line(f"{cache.folder}: {len(entries)} entries, {size / 1e6:.1f} MB")


@app.command()
def clear() -> None:
    """Remove all entries; runs compute them again when needed."""
    from fedsilo.models.clip.feature_cache import FeatureCache

    cache = FeatureCache()
    line(f"{cache.folder}: removed {cache.clear()} entries")
