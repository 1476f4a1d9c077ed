"""What the shipped weights know."""

from fedsilo.models.pretraining.__main__ import SHIPPED
from fedsilo.models.pretraining.accuracy_table import measure
from fedsilo.models.pretraining.towers import (
    read_model,
    read_tokenizer,
)


def test_the_shipped_weights_know_emblems_and_leave_something_to_learn():
    table = measure(read_model(SHIPPED), read_tokenizer(SHIPPED), each=(3, 3))
    zero_shot = dict(zip(table.columns, table.rows["zero-shot"], strict=True))
    patches = dict(zip(table.columns, table.rows["zero-shot, mean patch"], strict=True))
    probe = dict(zip(table.columns, table.rows["linear probe"], strict=True))
    assert 0.4 <= zero_shot["all"] <= 0.8
    assert abs(zero_shot["all"] - patches["all"]) <= 0.1
    assert max(zero_shot["mosaic"], zero_shot["watercolour"]) < min(
        zero_shot[d] for d in ("sketch", "blueprint", "neon")
    )
    assert probe["all"] > zero_shot["all"]
    assert "| linear probe |" in table.text()
