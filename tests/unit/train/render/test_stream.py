import subprocess
import sys

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


def test_a_device_without_torch_can_render() -> None:
    """`embedge bench` and `embedge build-engine` feed rendered faces on the base install."""
    program = (
        "import sys, numpy as np\n"
        "from embedge.train.render import FaceRenderer\n"
        "FaceRenderer().render(np.arange(1), np.arange(1))\n"
        "print(sorted({'torch', 'simplejpeg', 'onnx', 'pydantic', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"
