from types import SimpleNamespace

from embedge.runtime.encoders.tensorrt.log import tensorrt_log


def test_errors_and_warnings_are_kept_the_newest_of_them() -> None:
    logger = type("ILogger", (), {"INTERNAL_ERROR": 0, "ERROR": 1, "WARNING": 2, "INFO": 3})
    log = tensorrt_log(SimpleNamespace(ILogger=logger))  # type: ignore[arg-type]
    for number in range(300):
        log.log(number % 4, str(number))
    assert len(log.errors) == 150
    assert log.errors[-1] == "297"
    assert log.warnings[-1] == "298"
    for number in range(300):
        log.log(1, str(number))
    assert len(log.errors) == 200
