"""Where the nodes of a graph really ran: the proof behind the name of a provider.

A session on a GPU provider may still run single nodes on the CPU, and says so only in its profile.
"""

import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from embedge.runtime.encoders.sessions import ort_session, run_session

__all__ = ["Placement", "node_placement"]

Placement = dict[str, dict[str, int]]  # provider -> operator -> nodes


def node_placement(
    model: bytes | Path,
    *,
    require_provider: str | None = None,
    providers: Sequence[str] | None = None,
) -> Placement:
    """Run the graph once on one picture's worth of zeros and count its nodes by provider.

    Fused nodes count once, under the name that the optimiser gave them.
    """
    with tempfile.TemporaryDirectory() as folder:
        session = ort_session(
            model,
            require_provider=require_provider,
            providers=providers,
            profile=Path(folder) / "nodes",
        )
        run_session(session, None, _feeds(session))
        events = json.loads(Path(session.end_profiling()).read_text())
    return _placement(events)


def _placement(events: list[dict[str, Any]]) -> Placement:
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for event in events:
        details = event.get("args", {})
        if event.get("cat") == "Node" and details.get("provider"):
            found[details["provider"]][event["name"]] = details["op_name"]
    return {
        provider: dict(sorted(Counter(nodes.values()).items()))
        for provider, nodes in sorted(found.items())
    }


def _feeds(session: Any) -> dict[str, Any]:
    (image,) = session.get_inputs()
    shape = [size if isinstance(size, int) else 1 for size in image.shape]
    return {image.name: np.zeros(shape, np.float32)}
