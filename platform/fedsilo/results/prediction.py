"""New images, classified with what a run has learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from PIL import Image

from fedsilo.backbone.loading import load
from fedsilo.contracts import State
from fedsilo.finiteness import located, require_scores
from fedsilo.imagefiles.reading import as_rgb
from fedsilo.preparation import frozen_model
from fedsilo.scenario.sections import Scenario

if TYPE_CHECKING:
    import pandas as pd


def predict(
    scenario: Scenario,
    classes: Sequence[str],
    template: str,
    shared: State,
    private: State,
    images: Sequence[Image.Image],
) -> pd.DataFrame:
    """Returns one row per image: "class", "probability", "next_best", and one column "p(NAME)" per class.

    Args:
        scenario: The run's scenario; its backbone and method are used.
        classes: Class names in label order.
        template: The data set's hand-written prompt.
        shared: What the client receives of the run's shared state.
        private: The client's private state.
        images: Images of any size and mode.

    Raises:
        NotFinite: A score is nan or infinite.
        BackboneError: An image's feature is.
    """
    import pandas as pd

    loaded = load(scenario.backbone, scenario.seed)
    model = frozen_model(loaded, classes, template, scenario.method.phrases)
    inputs = torch.stack([loaded.images.preprocessing.plain(as_rgb(image)) for image in images])
    with torch.no_grad():
        pooled, tokens = loaded.images.encode(inputs, tokens=scenario.method.needs_tokens)
        device = model.device
        own = [{name: tensor.to(device) for name, tensor in state.items()} for state in (shared, private)]
        predictor = scenario.method.predictor(model, *own)
        scores = predictor(pooled.to(device), None if tokens is None else tokens.to(device))
    sections = {"training.optimizer": scenario.training.optimizer, "method": scenario.method}
    with located("predict", sections):
        require_scores(scores, range(len(images)))
    table = scores.float().softmax(dim=1).cpu().numpy()
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
