import numpy as np

from embedge.pipeline.proving.queries import rendered_queries
from embedge.runtime.picture.images import rgb_from_picture


def test_two_pictures_of_each_person_as_a_camera_gives_them() -> None:
    queries = rendered_queries(0)
    assert len(queries) == 8
    for (first, landmarks), (second, _) in queries[:2]:
        assert first != second
        assert rgb_from_picture(first).shape == (480, 640, 3)
        assert np.asarray(landmarks).shape == (5, 2)
    again = rendered_queries(0)
    assert again[0][0][0] == queries[0][0][0]
    assert rendered_queries(1)[0][0][0] != queries[0][0][0]
