"""The images of an audited run as the data of its shadow runs, and how they are dealt."""

import numpy as np

from fedsilo.report.results.finished_run import Run
from fedsilo.runs.audit.shadow_scenario import ImagePool, Redrawn, Unchanged


def no_look(*given: object) -> np.ndarray:
    raise AssertionError("features do not matter")


def test_the_pool_is_every_image_and_each_client_keeps_its_own(small_run: Run) -> None:
    where, generator = str(small_run.folder), np.random.default_rng(0)
    images = small_run.scenario.data.load(small_run.scenario.seed)
    pool = ImagePool(where).load(0)
    shares = small_run.manifest.shares()
    labels = [np.concatenate([images.train.labels[s.train], images.test.labels[s.test]]) for s in shares]
    assert len(pool.train) == len(pool.test) == sum(map(len, labels))

    unchanged = Unchanged(where).split(pool, generator, no_look)
    for own, share in zip(shares, unchanged, strict=True):
        for split, wanted, found in ((images.train, own.train, share.train), (images.test, own.test, share.test)):
            held = pool.train if split is images.train else pool.test
            assert sorted(held.digests[i] for i in found) == sorted(split.digests[i] for i in wanted)

    first, again, other = (Redrawn(where, number).split(pool, generator, no_look) for number in (0, 0, 1))
    for old, share, same, new, own_labels in zip(unchanged, first, again, other, labels, strict=True):
        every = np.sort(np.concatenate([old.train, old.test]))
        assert np.array_equal(np.sort(np.concatenate([share.train, share.test])), every)
        assert np.array_equal(np.sort(pool.train.labels[every]), np.sort(own_labels))
        assert np.array_equal(share.train, same.train)
        assert not np.array_equal(np.sort(share.train), np.sort(new.train))
