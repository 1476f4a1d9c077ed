"""Feature shift by clusters: clients draw from clusters of the backbone's feature space.

k-means over the image features of the training split, each of length 1, so that clusters are by cosine; a test image
belongs to the nearest centre. It is for data without domains: images that are similar to the frozen model go to the
same clients. The "semantic" partitioner of Yuan et al., "What do we mean by generalization in federated learning?",
ICLR 2022, arXiv:2110.14216, has the same idea; it clusters inside classes and matches clusters across them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo.core import FeatureExtractor, FeatureShift, Grouping, LabelledImages
from fedsilo.core.config_fields import key
from fedsilo.core.errors import DataError


@dataclass(frozen=True, slots=True)
class Covariate(FeatureShift):
    """Each client draws from one cluster of images that are similar to the backbone."""

    clusters: int = key(5, "Number of clusters; clients are spread over them evenly.", within=">= 2")

    def grouping(
        self, images: LabelledImages, clients: int | None, generator: np.random.Generator, look: FeatureExtractor
    ) -> Grouping:
        """Clusters the images by their features.

        Args:
            images: The data.
            clients: Number of clients; None: one per cluster.
            generator: Random generator of k-means.
            look: Computes image features.

        Returns:
            One group per cluster.

        Raises:
            DataError: There are fewer clients or images than clusters.
        """
        wanted = self.clusters if clients is None else clients
        if wanted < self.clusters:
            raise DataError(
                f"partition.feature.clusters: {self.clusters} clusters for {wanted} clients leave a cluster without "
                "client. Use at most as many clusters as clients."
            )
        if len(images.train) < self.clusters:
            raise DataError(
                f"partition.feature.clusters: {self.clusters} clusters of {len(images.train)} images. Use fewer."
            )
        # Imported here because clients never need it.
        from sklearn.cluster import KMeans

        found = KMeans(self.clusters, n_init=4, random_state=int(generator.integers(2**31))).fit(look(images.train))
        names = tuple(f"cluster {number}" for number in range(self.clusters))
        each, rest = divmod(wanted, self.clusters)
        weights = np.repeat(np.eye(self.clusters), [each + (number < rest) for number in range(self.clusters)], axis=1)
        train, test = found.labels_.astype(np.int64), found.predict(look(images.test)).astype(np.int64)
        return Grouping(train, test, names, weights)
