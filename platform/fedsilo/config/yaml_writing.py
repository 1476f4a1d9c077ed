"""Writes plain values as YAML that our reader and any other YAML 1.1 reader understand alike."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import yaml

from fedsilo.config.yaml_documents import PLAIN_WORDS

_ONE_LINE = 10**6  # characters; a width that YAML never breaks


def dump_yaml(value: Any, flow: bool, width: int) -> str:
    """Writes plain values as YAML.

    Args:
        value: The values.
        flow: Whether in flow style; in blocks otherwise.
        width: Approximate length of lines, characters.

    Returns:
        The text.
    """
    text: str = yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=flow, width=width
    )
    return text


def dump_line(value: Any) -> str:
    """Writes a plain value as YAML on one line.

    Args:
        value: The value.

    Returns:
        The line.
    """
    return dump_yaml(value, flow=True, width=_ONE_LINE).removesuffix("...\n").strip()


class _Dumper(yaml.SafeDumper):
    """A safe dumper that quotes texts which our reader or another YAML 1.1 reader would misread."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _number(dumper: _Dumper, value: float) -> yaml.ScalarNode:
    text = format(Decimal(repr(value)), "f") if 1e-9 <= abs(value) < 1e15 or value == 0 else repr(value)
    if "." not in text:  # YAML 1.1 takes 1e-30 for text
        text = text.replace("e", ".0e") if "e" in text else f"{text}.0"
    return dumper.represent_scalar("tag:yaml.org,2002:float", text)


_Dumper.add_representer(float, _number)
for _kind, _form, _first in PLAIN_WORDS:  # beside YAML's own, so that "1e-3" is quoted like "1.0" is
    _Dumper.add_implicit_resolver(
        f"tag:yaml.org,2002:{_kind}", re.compile(f"(?:{_form.pattern})$"), [c.strip("\0") for c in _first]
    )
