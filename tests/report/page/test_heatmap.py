"""The heat map of clients by rounds."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
from PIL import Image

from fedsilo.report.page.heatmap import draw_heat_map


def test_a_heat_map_has_a_pixel_for_each_client_and_round() -> None:
    values = np.linspace(0, 1, 21).reshape(7, 3)
    values[2, 1] = np.nan
    picture = draw_heat_map(values, 0.0, 1.0, "x")
    encoded = re.search(r'href="data:image/png;base64,([^"]+)"', picture)
    assert encoded
    with Image.open(io.BytesIO(base64.b64decode(encoded[1]))) as image:
        pixels = np.asarray(image)
    assert pixels.shape == (7, 3, 3)
    assert pixels[2, 1].tolist() == [150, 150, 150]
    lightness = np.delete(pixels.astype(int).sum(axis=2).ravel(), 7)
    assert (np.diff(lightness) > 0).all()  # who sees no colours reads it as well
    at = [float(y) for y in re.findall(r'<text x="40" y="([0-9.]+)"', picture)]
    assert len(at) == 7
    assert at == sorted(set(at))
