"""Names, titles and columns of metrics, and what older results say of them."""

from __future__ import annotations

from dataclasses import asdict

from fedsilo.core.metrics import VALIDATION, VIEWS, Measures, Metric, read_measures

MEASURES = Measures((Metric("auc"), Metric("seen", title="S"), Metric("unseen"), Metric("cge_auc", column=False)))


def test_tables_have_columns_of_metrics_that_want_one_under_their_titles() -> None:
    titles = MEASURES.titles
    assert titles["local_auc"] == "local"
    assert (titles["local_seen"], titles["local_unseen"]) == ("S", "unseen")
    assert "local_cge_auc" not in titles
    assert "local_cge_auc" in MEASURES.names


def test_every_view_of_every_metric_has_a_name_of_its_own() -> None:
    names = MEASURES.names
    assert len(set(names)) == len(names) == len(VIEWS) * 4 + 1
    assert VALIDATION + "auc" in names
    assert MEASURES.selected == "selected_local_auc"


def test_a_recorded_name_belongs_to_the_longest_metric_that_ends_it() -> None:
    names = ("validation_auc", "local_unseen", "unseen_seen", "worst_cge_auc", "local_spread")
    assert [MEASURES.metric(name).name for name in names] == ["auc", "unseen", "seen", "cge_auc", "auc"]


def test_metrics_of_a_result_come_back_and_older_ones_have_columns() -> None:
    assert read_measures({"metrics": [asdict(metric) for metric in MEASURES.metrics]}) == MEASURES
    old = {"name": "accuracy", "meaning": "", "ratio": True, "higher": True}
    assert read_measures({"metrics": [old]}).metrics == (Metric("accuracy"),)
    assert read_measures({"headline": {"measure": "local_accuracy"}}).headline.name == "accuracy"


def test_an_abbreviation_is_written_in_capitals_in_sentences() -> None:
    assert Metric("auc", title="AUC").words == "AUC"
    assert Metric("harmonic_mean", title="HM").words == "harmonic mean"
    assert Metric("accuracy").words == "accuracy"
