"""Training inside INT8 arithmetic: it computes what the INT8 file computes, and it recovers."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pretend_device import PRETEND, asked_in_steps
from small_face import CONTRACT, embed, smooth_pictures
from torch import nn

from embedge.calibration.evaluation.judge import cosines_of
from embedge.errors import EmbedgeError
from embedge.export.int8.placement import Target
from embedge.export.int8.qdq import calibrated_graph, qdq_from_onnx, quantised
from embedge.export.int8.training.fake_quant import FakeQuantised
from embedge.export.int8.training.qat import trained_graph
from embedge.progress import Progress
from embedge.runtime.encoders import tensor_from_crops
from embedge.train.data.dataset import FaceSet
from embedge.train.data.feeding.batches import Batches
from embedge.train.head.margins import Margin
from embedge.train.head.streamed.margin_ce import margin_ce
from embedge.train.loop import training
from embedge.train.loop.schedule import Schedule
from embedge.train.methods import Ingredients
from embedge.train.methods.proxyless import Proxyless

COARSE = 4  # bits of weight: few enough that quantisation after training costs something


def noisy(seed: int, per_person: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """(pictures, labels) of the same ten people; the seed changes the noise only."""
    base = smooth_pictures(10, seed=11).astype(int)[:, None]
    noise = np.random.default_rng(seed).normal(0, 20, (10, per_person, 112, 112, 3))
    pictures = np.clip(base + noise, 0, 255).astype(np.uint8).reshape(-1, 112, 112, 3)
    return pictures, np.repeat(np.arange(10), per_person)


@pytest.mark.parametrize("target", ["cpu", "trt"])
def test_the_module_computes_what_the_file_computes(
    student_file: Path, pictures: NDArray[np.uint8], tmp_path: Path, target: Target
) -> None:
    calibrated = calibrated_graph(student_file, pictures, target)
    quantised(calibrated, pictures, "mse").write(tmp_path / "q.onnx")
    with torch.inference_mode():
        module = FakeQuantised(calibrated, pictures)
        found = module(torch.from_numpy(tensor_from_crops(pictures, CONTRACT))).numpy()
    assert cosines_of(embed(tmp_path / "q.onnx", pictures), found).min > 0.9995


def test_training_under_the_frozen_head_recovers_half_of_the_loss(
    student_file: Path, tmp_path: Path
) -> None:
    train, labels = noisy(1)
    test, test_labels = noisy(2)
    rows = embed(student_file, train)
    centres = np.stack([rows[labels == k].mean(axis=0) for k in range(10)])
    head = torch.from_numpy(centres / np.linalg.norm(centres, axis=1, keepdims=True))
    frozen = head.clone()

    def fit(module: nn.Module) -> None:
        optimizer = torch.optim.Adam(module.parameters(), 3e-4)
        tensor = torch.from_numpy(tensor_from_crops(train, CONTRACT))
        for step in range(24):
            index = torch.from_numpy(np.random.default_rng(step).permutation(80)[:32])
            loss = margin_ce(
                module(tensor[index]), head, torch.from_numpy(labels)[index], Margin(m2=0.5)
            ).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    qdq_from_onnx(student_file, train, tmp_path / "ptq.onnx", weight_bits=COARSE)
    qdq_from_onnx(
        student_file,
        train,
        tmp_path / "qat.onnx",
        weight_bits=COARSE,
        quantise=partial(trained_graph, fit=fit),
    )

    def nearness(path: Path) -> float:
        """Mean cosine to the right row of the shared head, on pictures not trained on."""
        found = embed(path, test)
        found /= np.linalg.norm(found, axis=1, keepdims=True)
        return float(np.mean(np.sum(found * head.numpy()[test_labels], axis=1)))

    whole, after, trained = map(
        nearness, (student_file, tmp_path / "ptq.onnx", tmp_path / "qat.onnx")
    )
    assert whole - after > 0.005
    assert trained >= (whole + after) / 2
    assert torch.equal(head, frozen)


def test_an_operator_that_cannot_be_trained_is_named(
    student_file: Path, pictures: NDArray[np.uint8]
) -> None:
    calibrated = calibrated_graph(student_file, pictures, "cpu")
    output = calibrated.graph.outputs[0].name
    maker = calibrated.graph.producer(output)
    maker.output[0] = "inner"
    calibrated.graph.emit("Sigmoid", ["inner"], hint="last", output=output)
    module = FakeQuantised(calibrated, pictures)
    with pytest.raises(EmbedgeError, match=r"E-NOT-QUANTISABLE.*Sigmoid"):
        module(torch.zeros(1, 3, 112, 112))


def test_on_another_device_it_learns_what_it_learns_here(
    student_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Constants of the graph move with the module, and what comes back lies on the host."""
    images = smooth_pictures(8, seed=3)
    few = FaceSet("few", images, np.arange(8), tuple("abcdefgh"), "f")
    calibrated = calibrated_graph(student_file, images, "trt")
    draw = torch.Generator().manual_seed(0)
    head = torch.nn.functional.normalize(torch.randn(8, CONTRACT.dim, generator=draw))
    schedule = Schedule(steps=2, batch=4, lr=1e-4, warmup=0, amp="fp32", jitter=False)
    learnt, steps = [], asked_in_steps(monkeypatch)
    for device in ("cpu", PRETEND):
        monkeypatch.setattr(training, "device_of", lambda _, device=device: torch.device(device))
        module = FakeQuantised(calibrated, images)
        training.fit(
            "int8",
            module,
            Proxyless(Ingredients.of_frozen_head(head, Margin(m2=0.2))),
            Batches(few, 4, 0, jitter=False),
            schedule,
            folder=tmp_path / torch.device(device).type,
            progress=Progress(quiet=True),
        )
        learnt.append(module.to_calibrated().graph.constants)
    for name, value in learnt[0].items():
        np.testing.assert_allclose(learnt[1][name], value, rtol=5e-2, atol=1e-3, err_msg=name)
    pictures_mirrors_and_labels = 3
    assert steps[2] == {"to the device": pictures_mirrors_and_labels}
