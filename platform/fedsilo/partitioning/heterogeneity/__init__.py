"""Heterogeneity of a partition: scores of labels, sizes and image features, each with its null."""

from fedsilo.partitioning.heterogeneity.client_embedding import ClientMap
from fedsilo.partitioning.heterogeneity.image_scores import SampleFeatures
from fedsilo.partitioning.heterogeneity.label_distances import label_shift, mean_total_variation
from fedsilo.partitioning.heterogeneity.measured_sample import ImageSample
from fedsilo.partitioning.heterogeneity.measurement import IMAGES, choose_images, measure
from fedsilo.partitioning.heterogeneity.scores import FILE, SCORES, Score, Scores
from fedsilo.partitioning.heterogeneity.size_scores import effective_clients, gini

__all__ = [
    "FILE",
    "IMAGES",
    "SCORES",
    "ClientMap",
    "ImageSample",
    "SampleFeatures",
    "Score",
    "Scores",
    "choose_images",
    "effective_clients",
    "gini",
    "label_shift",
    "mean_total_variation",
    "measure",
]
