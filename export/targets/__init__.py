"""Files for runtimes that do not read ONNX: one module each, the tools imported when asked for."""

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field

from embedge.errors import EmbedgeError

__all__ = ["Converted", "quiet", "refused", "told"]


@dataclass(frozen=True, slots=True)
class Converted:
    """`files` by what follows `student.PRECISION` in their names; the first one is the artifact."""

    files: dict[str, bytes]
    tools: dict[str, str] = field(default_factory=dict)


@contextmanager
def quiet() -> Iterator[None]:
    """Converters from torch tell of every kernel that they did not find, and draw their bars."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


@contextmanager
def told(runtime: str) -> Iterator[None]:
    """What a converter raises, as one error with a code."""
    try:
        yield
    except EmbedgeError:
        raise
    except Exception as error:  # they raise a dozen unrelated classes
        said = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        raise refused(runtime, said) from error


def refused(runtime: str, what: str) -> EmbedgeError:
    return EmbedgeError(
        "E-TARGET",
        f"the network cannot be converted for {runtime}: {what}",
        remedy="Convert the float graph of a student; other operators need another target",
    )
