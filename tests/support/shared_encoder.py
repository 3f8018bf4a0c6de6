"""Whatever is shared between threads answers each of them as it would have answered one alone."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from embedge.errors import EmbedgeError

THREADS = 8


def answers_each_thread_alone(
    embed: Callable[[np.ndarray], np.ndarray], batches: Sequence[np.ndarray], *, rounds: int = 12
) -> None:
    """`batches` differ in faces and in number; each is asked from every thread, many times."""
    alone = [embed(batch) for batch in batches]
    together = threading.Barrier(THREADS)

    def work(thread: int) -> list[int]:
        together.wait()
        order = [(thread + step) % len(batches) for step in range(rounds * len(batches))]
        return [i for i in order if not np.allclose(embed(batches[i]), alone[i], atol=1e-5)]

    with ThreadPoolExecutor(THREADS) as pool:
        wrong = [index for found in pool.map(work, range(THREADS)) for index in found]
    assert wrong == [], f"{len(wrong)} of {THREADS * rounds * len(batches)} answers are wrong"


def closes_under_running_calls(
    embed: Callable[[], np.ndarray], close: Callable[[], None], *, seconds: float = 20
) -> None:
    """Running calls end with the right answer or E-CLOSED; later ones with E-CLOSED; none waits."""
    expected = embed()
    begun = threading.Barrier(THREADS + 1)
    ended: list[str] = []

    def work() -> None:
        begun.wait()
        try:
            while np.allclose(embed(), expected, atol=1e-5):
                pass
            ended.append("a wrong answer")
        except EmbedgeError as error:
            ended.append(error.code)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    begun.wait()
    close()
    for thread in threads:
        thread.join(seconds)
    assert ended == ["E-CLOSED"] * THREADS
