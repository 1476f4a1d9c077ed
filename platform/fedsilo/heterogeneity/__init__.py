"""How unlike each other the clients of a partition are: labels, sizes, image features; each number beside its null."""

from fedsilo.heterogeneity.image_scores import Pictured
from fedsilo.heterogeneity.labels import label_shift, mean_total_variation
from fedsilo.heterogeneity.mapping import ClientMap
from fedsilo.heterogeneity.measurement import IMAGES, images_to_measure, measure
from fedsilo.heterogeneity.quantity import effective_clients, gini
from fedsilo.heterogeneity.sampling import ImageSample
from fedsilo.heterogeneity.scores import FILE, SCORES, Score, Scores

__all__ = [
    "FILE",
    "IMAGES",
    "SCORES",
    "ClientMap",
    "ImageSample",
    "Pictured",
    "Score",
    "Scores",
    "effective_clients",
    "gini",
    "images_to_measure",
    "label_shift",
    "mean_total_variation",
    "measure",
]
