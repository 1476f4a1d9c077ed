"""The result of an audit in sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

SIGNIFICANT = 0.01
"""Probability, over all attacks together, of reporting membership where there is none."""

FEW = 100
"""With fewer non-members, a false positive rate of 1 % means no false positive at all."""


def describe_audit(document: Mapping[str, Any]) -> list[str]:
    """Describes the result of an audit of single images, the conclusion first.

    Args:
        document: The document of `image_audit.audit`, without the verdict.

    Returns:
        The lines.
    """
    found = document["attacks"]
    return [
        *_membership(document, found),
        *_epsilon(document, found),
        *_cautions(document, found),
        *_looks(document),
    ]


def describe_client_audit(document: Mapping[str, Any]) -> list[str]:
    """Describes the result of an audit of whole clients, the conclusion first.

    Args:
        document: The document of `client_audit.audit_clients`, without the verdict.

    Returns:
        The lines.
    """
    claim, best = document["claim"], document["epsilon"]
    lines = [_describe_coins(document)]
    if not document["shuffled"]:
        lines += [
            _at_least("client", best, document["confidence"]),
            _against(claim, best, "client"),
            _most(claim, best),
        ]
    return [*lines, *_looks(document)]


def _describe_coins(document: Mapping[str, Any]) -> str:
    right, count = document["right"], document["coins"]
    rate = format_percent(right / count)
    low, high = (format_percent(document[end] / count) for end in ("chance_low", "chance_high"))
    if document["shuffled"]:
        return f"a control: coins were tossed again, so {rate} is what guessing gives ({low} to {high})."
    if document["p_value"] < SIGNIFICANT:
        return (
            f"whole clients show: the shared states of all rounds reveal in {rate} of {count} cases "
            f"whether a client contributed, where guessing gives {low} to {high}."
        )
    return (
        f"whole clients do not show: {rate} of {count} cases, where guessing gives {low} to {high}. "
        "This is the result of one attack, not a proof that there is nothing to find."
    )


def _at_least(unit: str, best: Mapping[str, Any], confidence: float) -> str:
    sure = f"{100 * confidence:.0f} % confidence"
    if best["epsilon"] <= 0:
        return f"no epsilon above 0 is shown with {sure}."
    return (
        f"epsilon of one {unit} is at least {best['epsilon']:.2f} at delta {best['delta']:g} with {sure}: "
        f"{best['right']} of {best['guesses']} guesses on {best['runs']} shadow runs were right."
    )


def _against(claim: Mapping[str, Any] | None, best: Mapping[str, Any], unit: str) -> str:
    """A lower bound beside the epsilon that the run claims."""
    if claim is None:
        return "the run claims no epsilon."
    if claim["epsilon"] is None:
        return "the run claims no finite epsilon."
    if best["epsilon"] <= claim["epsilon"]:
        return f"{_describe(claim)} is not contradicted."
    if claim["unit"] == unit and claim["guaranteed"]:
        return f"{_describe(claim)} is contradicted: the mechanism does not do what it claims, or not for this view."
    return f"{_describe(claim)} is exceeded{_explain(claim, unit)}."


def _most(claim: Mapping[str, Any] | None, best: Mapping[str, Any]) -> str:
    """The largest epsilon that the audit could have shown, and what follows for the claim."""
    text = (
        f"had every guess on its {best['runs']} shadow runs been right, this audit could have shown epsilon "
        f"{best['most']:.2f} and no more"
    )
    if claim and claim["epsilon"] is not None and claim["epsilon"] >= best["most"]:
        return f"{text}: it could not have contradicted {_describe(claim)}. More shadow runs can show more."
    return f"{text}."


def _looks(document: Mapping[str, Any]) -> Iterator[str]:
    """The confidence of several audits together."""
    looks, alone = document["looks"], 1 - document["confidence"]
    if document["shuffled"]:
        return
    if looks > 1:
        together = max(0.0, 100 * (1 - looks * alone))
        yield (
            f"looks add up: this is one of {looks} different audits of this run, each wrong with up to "
            f"{100 * alone:.0f} %, so all of them hold together with {together:.0f} % confidence."
        )
    else:
        yield (
            f"looks add up: another audit of this run, by other shadow runs, view or unit, is wrong with up to "
            f"{100 * alone:.0f} % too."
        )


def _membership(document: Mapping[str, Any], found: list[Mapping[str, Any]]) -> Iterator[str]:
    caught = [attack for attack in found if attack["p_value"] < SIGNIFICANT / len(found)]
    best = max(caught or found, key=lambda attack: attack["rates"]["success"])
    rate, (low, high) = format_percent(best["rates"]["success"]), format_chance_range(best)
    if document["shuffled"]:
        yield (
            f"a control: membership was shuffled, so {rate} by {best['attack']} is what guessing gives "
            f"({low} to {high})."
        )
    elif caught:
        yield (
            f"membership shows: {best['attack']} separates training images from other images in {rate} of cases, "
            f"where guessing gives {low} to {high}."
        )
    else:
        yield (
            f"membership does not show: at best {rate}, by {best['attack']}, where guessing gives {low} to {high}. "
            "This is the result of these attacks, not a proof that there is nothing to find."
        )
    if any(attack["rates"]["success"] < 0.5 for attack in found):
        yield "a rate below 50 % is not more private than 50 %: it is guessing with bad luck."


def _epsilon(document: Mapping[str, Any], found: list[Mapping[str, Any]]) -> Iterator[str]:
    if document["shuffled"]:
        return
    best = max((attack["epsilon"] for attack in found), key=lambda bound: bound["epsilon"])
    yield _at_least("example", best, document["confidence"])
    rough = max(attack["if_independent"]["epsilon"] for attack in found)
    if rough > 0:
        yield (
            f"the audited run's own rates would give {rough:.2f} if each image were a trial of its own; they were "
            "trained on together, so this is no bound."
        )
    claim = document["claim"]
    yield _against(claim, best, "example")
    yield _most(claim, best)
    if claim and claim["unit"] == "client":
        yield "this attack is on single images; `fedsilo audit RUN --unit client` is on whole clients, as the claim is."


def _describe(claim: Mapping[str, Any]) -> str:
    kind = "claimed" if claim["guaranteed"] else "nominal"
    return f"the {kind} epsilon {claim['epsilon']:.3g} per {claim['unit']}"


def _explain(claim: Mapping[str, Any], unit: str) -> str:
    if not claim["guaranteed"]:
        return ", which is no contradiction: it is nominal"
    if unit == "client":
        return ", which need not contradict it: it is about a single example, and a client holds many"
    return f", which need not contradict it: it is about a {claim['unit']} left out, and about what is shared"


def _cautions(document: Mapping[str, Any], found: list[Mapping[str, Any]]) -> Iterator[str]:
    left_out = document["left_out"]
    reasons = {
        "trained_images_in_no_batch": "were for training but in no batch of any round",
        "without_counterpart": "have no counterpart of their class at their client",
        "held_twice": "occur twice",
    }
    for reason, words in reasons.items():
        if left_out[reason]:
            yield f"left out: {left_out[reason]} images that {words}."
    if document["non_members"] < FEW:
        yield f"with {document['non_members']} non-members a false positive rate of 1 % means none at all."
    if _apart(document):
        yield (
            f"training and test images differ by themselves: the hand-written prompts, trained on neither, separate "
            f"them with AUC {document['untrained_auc']:.2f}. Success may come from that and not from training."
        )


def _apart(document: Mapping[str, Any]) -> bool:
    """Whether the AUC without training differs from 0.5 by more than three standard errors, and by enough to matter."""
    members, others = document["members"], document["non_members"]
    error = math.sqrt((members + others + 1) / (12 * members * others))
    return bool(abs(document["untrained_auc"] - 0.5) > max(0.05, 3 * error))


def format_percent(rate: float) -> str:
    """Formats a rate in per cent.

    Args:
        rate: The rate, in [0, 1].

    Returns:
        Such as "71.5 %".
    """
    return f"{100 * rate:.1f} %"


def format_chance_range(attack: Mapping[str, Any], rate: str = "success") -> tuple[str, str]:
    """Formats the range of an attack's rate by chance.

    Args:
        attack: The attack's result in the document.
        rate: Name of the rate.

    Returns:
        Lower and upper end in per cent.
    """
    low, high = (format_percent(attack[end][rate]) for end in ("chance_low", "chance_high"))
    return low, high
