import pytest

from embedge.train.loop.schedule import Schedule, rate_at


def test_warm_up_then_down_to_a_hundredth() -> None:
    rates = [rate_at(step, 100, 10, "cosine") for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == pytest.approx(1.0)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[100] == pytest.approx(0.01)


def test_no_warm_up_starts_at_the_peak() -> None:
    assert rate_at(0, 10, 0, "cosine") == pytest.approx(1.0)


def test_stairs_of_a_tenth_each() -> None:
    schedule = Schedule(steps=30, warmup=0, lr=0.1, schedule="stairs")
    rates = [schedule.rate(step) for step in range(30)]
    assert rates[:10] == [0.1] * 10
    assert rates[10:20] == pytest.approx([0.01] * 10)
    assert rates[20:25] == pytest.approx([1e-3] * 5)
    assert rates[25:] == pytest.approx([1e-4] * 5)


def test_epochs_are_steps_of_so_many_pictures() -> None:
    schedule = Schedule(epochs=2.5, batch=16)
    assert (schedule.over(1000).steps, schedule.over(1000).epochs) == (156, None)
    assert schedule.over(3).steps == 1
    assert schedule.length == "2.5 epochs"
    assert Schedule(steps=7).over(1000).steps == 7
    assert schedule.trial(4).over(1000).steps == 4


def test_a_part_of_it_is_a_part_of_what_was_asked_for() -> None:
    assert Schedule(steps=10).part(0.25).steps == 2
    assert Schedule(epochs=2.0, batch=10).part(0.25).over(100).steps == 5
    assert Schedule(steps=3).part(0.01).steps == 1
