"""`python -m fedsilo.models.pretraining`: trains fedsilo-tiny and prints its table; `--table` only prints."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from open_clip.model import CLIP

from fedsilo.core.seeds import derive
from fedsilo.models.pretraining.accuracy_table import measure
from fedsilo.models.pretraining.pretrain import PretrainingRecipe, make_batches, train
from fedsilo.models.pretraining.text_stage import TEXT_RECIPE, encode_pictures, fit_text, replace_text_tower
from fedsilo.models.pretraining.towers import (
    Speller,
    new_model,
    read_model,
    read_tokenizer,
    write_folder,
    write_weights,
)
from fedsilo.models.pretraining.training_images import choose_emblems, draw_all

SHIPPED = Path(__file__).resolve().parents[1] / "clip" / "fedsilo-tiny"
_REPORT_EVERY = 50
_SAVE_EVERY = 500


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains, unless only the table is wanted, and prints the table.

    Args:
        arguments: Command-line arguments; None: those of the process.

    Returns:
        The exit status.
    """
    options = _parser().parse_args(arguments)
    torch.set_num_threads(options.threads)
    if not options.table:
        _pretrain(options)
    print(measure(read_model(options.folder), read_tokenizer(options.folder)).text())
    return 0


def _parser() -> argparse.ArgumentParser:
    recipe = PretrainingRecipe()
    parser = argparse.ArgumentParser(prog="python -m fedsilo.models.pretraining", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=SHIPPED, help="model folder (default: the shipped one)")
    parser.add_argument("--table", action="store_true", help="measure the weights that are there; no training")
    parser.add_argument("--pictures", type=int, default=recipe.pictures, help="pictures to draw (default %(default)s)")
    parser.add_argument("--steps", type=int, default=recipe.steps, help="optimizer steps (default %(default)s)")
    parser.add_argument("--text-steps", type=int, default=TEXT_RECIPE.steps, help="of stage two (default %(default)s)")
    parser.add_argument("--text-only", action="store_true", help="keep the folder's image tower, renew its text tower")
    parser.add_argument("--seed", type=int, default=recipe.seed, help="seed of everything (default %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default %(default)s)")
    return parser


def _pretrain(options: argparse.Namespace) -> None:
    folder, seed = options.folder, options.seed
    recipe = PretrainingRecipe(pictures=options.pictures, steps=options.steps, seed=seed)
    needed = TEXT_RECIPE.pictures if options.text_only else recipe.pictures
    emblems = choose_emblems(needed, seed)
    print(f"drawing {len(emblems)} pictures", flush=True)
    pictures = draw_all(emblems, options.threads)
    if not options.text_only:
        write_folder(folder)
    speller = Speller(read_tokenizer(folder))
    if not options.text_only:
        model = new_model(folder, derive(seed, "pretraining weights"))
        feed = make_batches(emblems, pictures, speller, model.token_embedding.embedding_dim, recipe)
        train(model, feed, recipe, _reporter(folder, model, recipe.steps))
    # Always from the file: the second stage uses the stored weights, in half precision.
    model = read_model(folder)
    recipe = replace(TEXT_RECIPE, seed=seed, steps=options.text_steps)
    emblems = emblems[: recipe.pictures]
    looks = encode_pictures(model, pictures[: recipe.pictures])
    replace_text_tower(model, new_model(folder, derive(seed, "pretraining text weights")))
    fit_text(model, looks, emblems, speller, recipe, _reporter(folder, model, recipe.steps))


def _reporter(folder: Path, model: CLIP, steps: int) -> Callable[[int, float, float], None]:
    """Returns a function to call after each step: it prints and saves at fixed intervals and at the end."""
    smooth = 0.0

    def after_step(step: int, loss: float, seconds: float) -> None:
        nonlocal smooth
        smooth = loss if step == 1 else 0.95 * smooth + 0.05 * loss
        if step % _REPORT_EVERY == 0 or step == steps:
            print(f"step {step:5d} of {steps}  loss {smooth:.3f}  {seconds:5.0f} s", flush=True)
        if step % _SAVE_EVERY == 0 or step == steps:
            write_weights(folder, model)

    return after_step


if __name__ == "__main__":
    sys.exit(main())
