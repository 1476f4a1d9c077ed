"""Names of models, and which of them can be prompted."""

from __future__ import annotations

import open_clip
import pytest

from fedsilo.models.clip.catalogue import explain_refusal
from fedsilo.models.clip.loading import list_model_names


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("ViT-B-32", ""),
        ("RN50", ""),
        ("ViT-L-14-quickgelu", ""),
        ("ViT-B-16-SigLIP", "not causal"),
        ("ViT-L-14-CLIPA", "not causal"),
        ("MobileCLIP-S1", "not causal"),
        ("coca_ViT-B-32", "class embedding"),
        ("roberta-ViT-B-32", "Hugging Face"),
    ],
)
def test_configuration_says_what_can_be_prompted(name: str, reason: str) -> None:
    found = explain_refusal(open_clip.get_model_config(name))
    assert reason in found
    assert bool(reason) == bool(found)


def test_model_names_are_the_shipped_one_and_those_that_can_be_prompted() -> None:
    own, *others = list_model_names()
    assert own == "fedsilo-tiny"
    assert {"ViT-B-32", "ViT-L-14-quickgelu", "RN50"} <= set(others)
    assert "ViT-B-16-SigLIP" not in others
