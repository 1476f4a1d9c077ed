"""A folder of an untrained model."""

import pytest

from fedsilo.models.pretraining.towers import (
    write_folder,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("tiny")
    write_folder(path)
    return path
