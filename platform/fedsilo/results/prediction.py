"""New images, classified with what a run has learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from PIL import Image

from fedsilo.backbone.loading import load
from fedsilo.core import State
from fedsilo.core.batch import PIXELS
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
    method = scenario.method
    model = frozen_model(loaded, classes, template, method.phrases, image_blocks=method.needs_image_blocks)
    inputs = torch.stack([loaded.images.preprocessing.plain(as_rgb(image)) for image in images])
    with torch.no_grad():
        columns = {PIXELS: inputs, **loaded.images.columns(inputs, method.reads)}
        device = model.device
        own = [{name: tensor.to(device) for name, tensor in state.items()} for state in (shared, private)]
        predictor = method.predictor(model, *own)
        scores = predictor({name: column.to(device) for name, column in columns.items()})
    sections = {"training.optimizer": scenario.training.optimizer, "method": method}
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
