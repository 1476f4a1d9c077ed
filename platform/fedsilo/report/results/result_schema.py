"""The schema of result.json, one for the run that writes it and for all that read it.

Users edit and copy these files, so what is wrong is one line "where: what". A reader takes a document of an earlier
version, which lacks some keys and may have others; a writer must have every key in the schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema, create_model
from pydantic_core import PydanticCustomError

from fedsilo.core import Measures
from fedsilo.core.errors import RunError
from fedsilo.core.metrics import SELECTED
from fedsilo.storage.run_folder import to_json_value, write_json

EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "model_type": "an object",
    "dict_type": "an object",
    "list_type": "a list",
}
"""What a value must be, by pydantic's name of the error."""

Extra = Literal["ignore", "forbid"]


def _check_number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise PydanticCustomError("number_type", "must be a number")
    return value


Number = Annotated[Any, AfterValidator(_check_number), WithJsonSchema({"type": "number"})]
"""A whole number or a fraction, kept as it is."""


@cache
def make_result_model(measures: Measures, extra: Extra = "ignore") -> type[BaseModel]:
    """Makes the model of result.json.

    Args:
        measures: Metrics of the task.
        extra: What becomes of keys that are not in the schema.

    Returns:
        The model, whose keys are aliases of its fields.
    """
    metric = _model(
        "Metric of a result",
        extra,
        {"name": str, "meaning": str, "ratio": bool, "higher": bool},
        {"title": str, "column": bool},
    )
    headline = _model("Headline", extra, {"value": Number, "last_rounds": int}, {"measure": str})
    selected = (SELECTED + name for name in measures.names)
    numbers = (*measures.names, measures.first, measures.best, "simulated_s", *selected)
    row = _model(
        "Row of a result",
        extra,
        {"method": str, "role": str, measures.local: Number},
        {name: Number for name in numbers if name != measures.local}
        | dict.fromkeys(("averaged_rounds", "best_round", "rounds", "selected_round"), int),
    )
    budget = _model(
        "Budget of a result",
        extra,
        {"delta": Number, "guaranteed": bool, "unit": str, "note": str},
        {"epsilon": Number},  # an infinite epsilon is null
    )
    hashes = _model("Hashes of a method", extra, {"shared": str, "private": list[str], "scores": str})
    return _model(
        "Result of a run",
        extra,
        {
            "scenario": str,
            "headline": headline,
            "rows": list[row],  # type: ignore[valid-type]
            "warnings": list[str],
            "notices": list[str],
            "sha256": str,
        },
        {
            "seed": int,
            "method": str,
            "metrics": list[metric],  # type: ignore[valid-type]
            "privacy": budget,
            "hashes": dict[str, hashes],  # type: ignore[valid-type]
        },
    )


def _model(
    title: str, extra: Extra, required: Mapping[str, Any], optional: Mapping[str, Any] | None = None
) -> type[BaseModel]:
    """Makes the model of an object; an optional key may be null. Metrics may have names that pydantic reserves."""
    kinds = [(name, kind, Field(alias=name)) for name, kind in required.items()]
    kinds += [(name, kind | None, Field(default=None, alias=name)) for name, kind in (optional or {}).items()]
    fields: Any = {f"key_{number}": (kind, field) for number, (_, kind, field) in enumerate(kinds)}
    made: type[BaseModel] = create_model(
        title.replace(" ", "_"), __config__=ConfigDict(strict=True, extra=extra, title=title), **fields
    )
    return made


def find_fault(document: Mapping[str, Any], measures: Measures, extra: Extra = "ignore") -> str:
    """Finds what is wrong with the document of a result.

    Args:
        document: Decoded JSON.
        measures: Metrics of the task.
        extra: What becomes of keys that are not in the schema.

    Returns:
        The first fault, "where must be what" on one line; "" for a sound document.
    """
    try:
        make_result_model(measures, extra).model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
        if first["type"] == "extra_forbidden":
            return f"{where} is not in the schema"
        if first["type"] == "missing" or first["input"] is None:
            return f"{where} is missing"
        return f"{where} must be {EXPECTED.get(first['type'], 'a number')}"
    return ""


def write_result(path: Path, document: Mapping[str, Any], measures: Measures) -> None:
    """Writes result.json.

    Args:
        path: The file.
        document: Every key of the schema; nan and infinities become null.
        measures: Metrics of the task.

    Raises:
        RunError: The document does not fit the schema, for example because a task of one's own measures text.
    """
    plain = to_json_value(document)
    if fault := find_fault(plain, measures, "forbid"):
        raise RunError(f"{path}: cannot be written: {fault}. Correct what the task or the method gives there.")
    write_json(path, plain)
