import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from embedge.errors import EmbedgeError
from embedge.runtime.encoders.tensorrt.lanes import LanePool


def test_a_lane_has_one_user_at_a_time() -> None:
    pool, users, most = LanePool(["a", "b", "c"]), dict.fromkeys("abc", 0), []
    guard = threading.Lock()

    def work(_: int) -> None:
        with pool.lent() as lane:
            with guard:
                users[lane] += 1
                most.append(max(users.values()))
            time.sleep(0.001)
            with guard:
                users[lane] -= 1

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(100)))
    assert set(most) == {1}
    assert sorted(pool.drain()) == ["a", "b", "c"]


def test_draining_waits_for_what_is_out_and_turns_the_waiting_away() -> None:
    pool, out, waiting = LanePool(["a"]), threading.Event(), threading.Event()
    release, told = threading.Event(), []

    def hold() -> None:
        with pool.lent():
            out.set()
            release.wait(10)

    def wait() -> None:
        waiting.set()
        try:
            with pool.lent():
                told.append("lent")
        except EmbedgeError as error:
            told.append(error.code)

    with ThreadPoolExecutor(3) as threads:
        held = threads.submit(hold)
        assert out.wait(10)
        waiter = threads.submit(wait)
        assert waiting.wait(10)
        drained = threads.submit(pool.drain)
        waiter.result(10)
        assert told == ["E-CLOSED"]
        assert not drained.done()
        release.set()
        held.result(10)
        assert drained.result(10) == ["a"]
    assert pool.drain() == []
    with pytest.raises(EmbedgeError, match="E-CLOSED"), pool.lent():
        pass


def test_a_lane_comes_back_after_a_failure() -> None:
    pool = LanePool(["a"])
    with pytest.raises(ValueError, match="broke"), pool.lent():
        raise ValueError("broke")
    with pool.lent() as lane:
        assert lane == "a"
