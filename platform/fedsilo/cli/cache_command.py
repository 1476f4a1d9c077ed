"""`fedsilo cache ls|clear`: the feature cache."""

from __future__ import annotations

import typer

from fedsilo.cli.output import line, show_json
from fedsilo.cli.run_commands import Json

app = typer.Typer(help="The cache of image features.", no_args_is_help=True)


@app.command("ls")
def ls(json: Json = False) -> None:
    """Say where the cache is, how many entries it has and how large it is."""
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
    """Remove all entries; they are made again when needed."""
    from fedsilo.models.clip.feature_cache import FeatureCache

    cache = FeatureCache()
    line(f"{cache.folder}: removed {cache.clear()} entries")
