import numpy as np

from embedge.train.render import FaceRenderer, render_stream


def test_workers_and_chunks_do_not_change_a_byte() -> None:
    renderer = FaceRenderer(seed=2)
    people, samples = np.arange(9) // 3, np.arange(9) % 3
    at_once = renderer.render(people, samples)
    parts = list(render_stream(renderer, people, samples, workers=2, chunk=4))
    assert [len(part.images) for part in parts] == [4, 4, 1]
    assert np.array_equal(np.concatenate([part.images for part in parts]), at_once.images)
    assert np.array_equal(np.concatenate([part.landmarks for part in parts]), at_once.landmarks)
    alone = list(render_stream(renderer, people, samples, chunk=5))
    assert np.array_equal(np.concatenate([part.images for part in alone]), at_once.images)
