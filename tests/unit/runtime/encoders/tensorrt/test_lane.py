import numpy as np
import pytest
from fake_lanes import DIM, FakeMemory, fake_engine

from embedge.errors import EmbedgeError
from embedge.runtime.encoders.tensorrt.lane import TensorRTLane

IMAGE = (3, 4, 4)
PICTURES = np.random.default_rng(0).random((4, *IMAGE), np.float32)


def lane(memory: FakeMemory, batches: tuple[int, int, int] = (1, 4, 4)) -> TensorRTLane:
    return TensorRTLane(fake_engine(memory, batches), memory, IMAGE, DIM, graph=False)


def test_answers_are_copies_of_their_own() -> None:
    one = lane(FakeMemory())
    first = one.run(PICTURES[:2])
    one.run(PICTURES[2:])
    assert np.array_equal(first, PICTURES[:2].reshape(2, -1)[:, :DIM])


def test_a_batch_below_the_smallest_is_padded_and_a_shape_is_set_once() -> None:
    memory = FakeMemory()
    engine = fake_engine(memory, (2, 4, 4))
    one = TensorRTLane(engine, memory, IMAGE, DIM, graph=False)
    for count in (1, 2, 2, 3):
        assert len(one.run(PICTURES[:count])) == count
    assert engine.engine.contexts[0].shapes == [(2, *IMAGE), (3, *IMAGE)]


def test_everything_is_given_back_also_when_it_cannot_be_opened() -> None:
    memory = FakeMemory()
    lane(memory).close()
    assert memory.live == 0
    broken = fake_engine(memory)
    broken.engine.create_execution_context = lambda: None
    with pytest.raises(EmbedgeError, match=r"E-CUDA-MEMORY.*what the log said"):
        TensorRTLane(broken, memory, IMAGE, DIM, graph=False)
    assert memory.live == 0


def test_a_refused_launch_tells_what_the_log_said() -> None:
    memory = FakeMemory()
    engine = fake_engine(memory)
    one = TensorRTLane(engine, memory, IMAGE, DIM, graph=False)
    engine.engine.contexts[0].works = False
    with pytest.raises(EmbedgeError, match=r"E-TRT-RUN.*did not run \(what the log said\)"):
        one.run(PICTURES)
