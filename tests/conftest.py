"""Markers that need something this machine may lack are skipped with the reason."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

IN_A_WORKER = "PYTEST_XDIST_WORKER" in os.environ

# threads that wait by spinning make small tensors a hundred times slower on a busy machine
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# a process to each core: two threads each would wait for one another, and onnxruntime's wait by
# spinning, which nearly doubles what its networks cost
if IN_A_WORKER:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# how long an example takes is the machine's business: pytest's own limit ends what hangs
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run the tests that take minutes")


def pytest_configure() -> None:
    """A suite started in a shell's background ignores Ctrl-C, and so would the commands that its
    tests start and interrupt."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def real_folder() -> Path:
    return Path(os.environ.get("EMBEDGE_REAL", REPOSITORY.parent / "shared" / "real"))


@pytest.fixture(scope="session")
def real() -> Path:
    """The folder of real faces and models; see tests/real/README.md."""
    return real_folder()


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Where nobody asks for more, an onnxruntime session in a worker gets one thread."""
    if not IN_A_WORKER:
        yield
        return
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # before it is imported, as by the product
    import onnxruntime

    class OneThread(onnxruntime.SessionOptions):
        def __init__(self) -> None:
            super().__init__()
            self.intra_op_num_threads = 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnxruntime, "SessionOptions", OneThread)
        yield


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    missing = {
        "gpu": None if shutil.which("nvidia-smi") else "no NVIDIA GPU here (no nvidia-smi)",
        "real": None if real_folder().is_dir() else f"no real faces at {real_folder()}",
        "slow": None if config.getoption("--slow") else "takes minutes: run with --slow",
    }
    for item in items:
        for marker, reason in missing.items():
            # not its keywords: a clone in a folder called gpu has those too, and would skip all
            if reason and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """A failure is told when it happens: whoever is stopped before the end still knows which."""
    if report.failed and not IN_A_WORKER:
        line = str(report.longrepr).strip().splitlines()[-1:]
        print(f"\nFAILED {report.nodeid} ({report.when}): {''.join(line)}", flush=True)
