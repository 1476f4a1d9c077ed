"""Classification of new images with the model of one client of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from PIL import Image
from torch import Tensor

from fedsilo.config.sections import Scenario
from fedsilo.core import Candidates, Frozen, State
from fedsilo.core.batch import PIXELS
from fedsilo.core.finiteness import locate_faults, require_scores
from fedsilo.core.state import require_like
from fedsilo.data.files.image_reading import as_rgb
from fedsilo.models.clip.loading import load
from fedsilo.simulation.frozen_parts import frozen_model
from fedsilo.storage.checkpoints import Checkpoint

if TYPE_CHECKING:
    import pandas as pd


def predict(
    scenario: Scenario,
    among: Candidates,
    template: str,
    checkpoint: Checkpoint,
    client: int,
    images: Sequence[Image.Image],
) -> pd.DataFrame:
    """Classifies images.

    Args:
        scenario: The run's scenario; its backbone and method are used.
        among: The candidates, in label order.
        template: The data set's hand-written prompt.
        checkpoint: The trained states.
        client: Number of the client whose model classifies.
        images: Images of any size and mode.

    Returns:
        One row per image: "class", "probability", "next_best", and one column "p(NAME)" per class.

    Raises:
        NotFinite: A score is nan or infinite.
        BackboneError: An image's feature is nan or infinite.
        RunError: The checkpoint is damaged or belongs to another method.
    """
    loaded = load(scenario.backbone, scenario.seed)
    method = scenario.method
    model = frozen_model(loaded, among.texts, template, method.phrases, among, method.needs_image_blocks)
    received, private = _read_states(scenario, checkpoint, client, model.seen_only())
    inputs = torch.stack([loaded.images.preprocessing.plain(as_rgb(image)) for image in images])
    with torch.no_grad():
        columns = {PIXELS: inputs, **loaded.images.columns(inputs, method.reads)}
        device = model.device
        own = [{name: tensor.to(device) for name, tensor in state.items()} for state in (received, private)]
        if model.seen_only() is not model:
            own[1] = dict(method.private_for_new_classes(model, own[1]))
        predictor = method.predictor(model, *own)
        scores = predictor({name: column.to(device) for name, column in columns.items()})
    sections = {"training.optimizer": scenario.training.optimizer, "method": method}
    with locate_faults("predict", sections):
        require_scores(scores, range(len(images)))
    return table_of(scores, among)


def table_of(scores: Tensor, among: Candidates) -> pd.DataFrame:
    """Turns scores into probabilities and names.

    Args:
        scores: (b, K) finite scores of b images.
        among: The K candidates; one that may not be predicted has the probability 0.

    Returns:
        One row per image: "class", "probability", "next_best" (the class with the second highest score; the only class
        if K is 1), and one column "p(NAME)" per class.
    """
    import pandas as pd

    scores, classes = scores.float().cpu(), among.texts
    if among.allowed is not None:
        scores = scores.masked_fill(torch.from_numpy(~among.allowed), -torch.inf)
    table = scores.softmax(dim=1).numpy()
    order = (-table).argsort(axis=1)
    second = order[:, min(1, table.shape[1] - 1)]
    return pd.DataFrame(
        {
            "class": [classes[row[0]] for row in order],
            "probability": table.max(axis=1),
            "next_best": [classes[index] for index in second],
            **{f"p({name})": table[:, k] for k, name in enumerate(classes)},
        }
    )


def _read_states(scenario: Scenario, checkpoint: Checkpoint, client: int, model: Frozen) -> tuple[State, State]:
    """What the client receives of the shared state, and its private state, both checked against the method."""
    method, private = scenario.method, checkpoint.private_of(client)
    checkpoint.require_shared(method.initial_shared(model, scenario.seed))
    require_like(private, method.initial_private(model, scenario.seed, client), checkpoint.private_path(client))
    return method.download(checkpoint.shared, client), private
