"""The verdict of an audit follows from its numbers."""

from typing import Any

import pytest

from fedsilo.runs.audit.verdict import describe_audit, describe_client_audit


def rates(success: float) -> dict[str, float]:
    return {"success": success, "auc": success, "tpr_at_low_fpr": 0.01}


def attack(name: str, success: float, p_value: float, epsilon: float = 0.0, rough: float = 0.0) -> dict[str, Any]:
    return {
        "attack": name,
        "rates": rates(success),
        "chance_low": rates(0.45),
        "chance_high": rates(0.55),
        "p_value": p_value,
        "epsilon": {"epsilon": epsilon, "most": 4.0, "delta": 1e-5, "runs": 8, "guesses": 100, "right": 90},
        "if_independent": {"epsilon": rough},
    }


def document(*attacks: dict[str, Any], **changes: Any) -> dict[str, Any]:
    left_out = {"trained_images_in_no_batch": 0, "without_counterpart": 0, "held_twice": 0}
    rest = {
        "looks": 1,
        "shuffled": False,
        "confidence": 0.95,
        "claim": None,
        "left_out": left_out,
        "untrained_auc": 0.51,
    }
    return {"attacks": list(attacks), "members": 500, "non_members": 500, **rest, **changes}


def claim(epsilon: float | None, unit: str = "example", guaranteed: bool = True) -> dict[str, Any]:
    return {"epsilon": epsilon, "delta": 1e-5, "unit": unit, "guaranteed": guaranteed, "note": ""}


def test_membership_that_shows() -> None:
    lines = describe_audit(
        document(attack("ratio", 0.801, 0.001, epsilon=2.912, rough=1.5), attack("models", 0.9, 0.2))
    )
    assert lines[0].startswith("membership shows: ratio separates training images from other images in 80.1 %")
    assert "guessing gives 45.0 % to 55.0 %" in lines[0]
    assert lines[1].startswith("epsilon of one example is at least 2.91 at delta 1e-05 with 95 % confidence: 90 of 100")
    assert "would give 1.50" in lines[2]
    assert "so this is no bound" in lines[2]
    assert lines[3] == "the run claims no epsilon."
    assert "8 shadow runs been right, this audit could have shown epsilon 4.00 and no more" in lines[4]
    assert lines[5].startswith("looks add up: another audit of this run")
    assert len(lines) == 6


def test_a_claim_that_is_out_of_reach_could_not_have_been_contradicted() -> None:
    found = attack("ratio", 0.8, 0.001, epsilon=2.0)
    assert (
        "could not have contradicted the claimed epsilon 8 per example"
        in describe_audit(document(found, claim=claim(8.0)))[3]
    )
    assert "could not" not in describe_audit(document(found, claim=claim(3.0)))[3]


def test_looks_add_up() -> None:
    lines = describe_audit(document(attack("ratio", 0.8, 0.001), looks=3))
    assert lines[-1].startswith(
        "looks add up: this is one of 3 different audits of this run, each wrong with up to 5 %"
    )
    assert lines[-1].endswith("all of them hold together with 85 % confidence.")


def clients(right: int, epsilon: float, p_value: float, **changes: Any) -> dict[str, Any]:
    bound = {"epsilon": epsilon, "most": 2.0, "delta": 1e-5, "runs": 4, "guesses": 32, "right": right}
    rest = {"coins": 32, "chance_low": 10, "chance_high": 22, "confidence": 0.95, "looks": 1, "shuffled": False}
    return {"right": right, "p_value": p_value, "epsilon": bound, "claim": None, **rest, **changes}


@pytest.mark.parametrize(
    ("claimed", "bound", "words"),
    [
        (claim(1.0, unit="client"), 1.5, "the claimed epsilon 1 per client is contradicted"),
        (claim(1.0, unit="client"), 0.5, "the claimed epsilon 1 per client is not contradicted."),
        (claim(1.0), 1.5, "the claimed epsilon 1 per example is exceeded, which need not contradict it"),
        (None, 1.5, "the run claims no epsilon."),
    ],
)
def test_the_bound_of_a_client_beside_the_claim(claimed: dict[str, Any] | None, bound: float, words: str) -> None:
    lines = describe_client_audit(clients(30, bound, 1e-6, claim=claimed))
    assert lines[0].startswith("whole clients show: the shared states of all rounds reveal in 93.8 % of 32 cases")
    assert lines[1].startswith("epsilon of one client is at least")
    assert lines[2].startswith(words)


def test_clients_that_do_not_show_are_no_proof_and_the_control_says_nothing_of_epsilon() -> None:
    assert "not a proof" in describe_client_audit(clients(17, 0.0, 0.4))[0]
    assert len(describe_client_audit(clients(17, 0.0, 0.4, shuffled=True))) == 1


def test_membership_that_does_not_show_is_no_proof_and_below_half_is_no_merit() -> None:
    lines = describe_audit(document(attack("ratio", 0.47, 0.9), attack("models", 0.51, 0.3)))
    assert lines[0].startswith("membership does not show: at best 51.0 %, by models")
    assert "not a proof" in lines[0]
    assert lines[1] == "a rate below 50 % is not more private than 50 %: it is guessing with bad luck."
    assert lines[2] == "no epsilon above 0 is shown with 95 % confidence."


def test_one_chance_in_a_hundred_is_shared_by_the_attacks() -> None:
    assert describe_audit(document(attack("a", 0.6, 0.006), attack("b", 0.5, 0.5)))[0].startswith(
        "membership does not show"
    )
    assert describe_audit(document(attack("a", 0.6, 0.006)))[0].startswith("membership shows")


@pytest.mark.parametrize(
    ("claimed", "bound", "words"),
    [
        (claim(3.0), 2.0, "the claimed epsilon 3 per example is not contradicted."),
        (
            claim(1.0),
            2.0,
            "the claimed epsilon 1 per example is contradicted: the mechanism does not do what it claims",
        ),
        (claim(0.4, guaranteed=False), 2.0, "the nominal epsilon 0.4 per example is exceeded, which is no contradict"),
        (claim(1.0, unit="client"), 2.0, "the claimed epsilon 1 per client is exceeded, which need not contradict it"),
        (claim(None), 2.0, "the run claims no finite epsilon."),
        (None, 2.0, "the run claims no epsilon."),
    ],
)
def test_the_bound_beside_the_claim(claimed: dict[str, Any] | None, bound: float, words: str) -> None:
    lines = describe_audit(document(attack("ratio", 0.8, 0.001, epsilon=bound), claim=claimed))
    assert lines[2].startswith(words)


def test_the_control_says_that_it_is_one_and_nothing_of_epsilon() -> None:
    lines = describe_audit(document(attack("ratio", 0.52, 0.2, epsilon=0.1), shuffled=True))
    assert lines == [
        "a control: membership was shuffled, so 52.0 % by ratio is what guessing gives (45.0 % to 55.0 %)."
    ]


def test_what_to_be_careful_about() -> None:
    left_out = {"trained_images_in_no_batch": 3, "without_counterpart": 2, "held_twice": 1}
    lines = describe_audit(
        document(attack("ratio", 0.52, 0.2), left_out=left_out, members=60, non_members=60, untrained_auc=0.7)
    )
    assert "left out: 3 images that were for training but in no batch of any round." in lines
    assert "left out: 2 images that have no counterpart of their class at their client." in lines
    assert "left out: 1 images that occur twice." in lines
    assert "with 60 non-members a false positive rate of 1 % means none at all." in lines
    assert lines[-2].startswith("training and test images differ by themselves")


@pytest.mark.parametrize(("size", "auc", "said"), [(20, 0.6, False), (500, 0.6, True), (50_000, 0.53, False)])
def test_images_differ_by_themselves_only_beyond_chance_and_enough_to_matter(size: int, auc: float, said: bool) -> None:
    lines = describe_audit(document(attack("ratio", 0.52, 0.2), members=size, non_members=size, untrained_auc=auc))
    assert any("differ by themselves" in line for line in lines) == said
