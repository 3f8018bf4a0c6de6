"""What a picture costs is counted without computing anything."""

import pytest
import torch
from plain_torch import switched_off
from torch import nn

from embedge.pipeline.budget.networks import PictureCost, student_cost, teacher_cost
from embedge.pipeline.recipe_file import load_recipe
from embedge.train.models.iresnet import iresnet
from embedge.train.models.mobilefacenet import mobilefacenet


def test_networks_are_counted_without_computing() -> None:
    recipe = load_recipe("ms1mv3-th-kd", planned=True)
    assert teacher_cost(recipe).macs == pytest.approx(12.1e9, rel=0.01)
    student = student_cost(recipe, 512)
    assert (student.parameters, student.macs) == (1_200_512, 221_161_984)


def test_a_teacher_of_the_recipes_own_is_counted_as_it_will_be() -> None:
    recipe = load_recipe("rendered", planned=True)
    found = teacher_cost(recipe)
    assert (found.name, found.dim) == ("r18", 512)
    assert found.layers > 50


def test_what_layers_put_out_is_counted() -> None:
    layers = [nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8 * 56 * 56, 4)]
    with torch.device("meta"):
        found = PictureCost.of("small", 4, nn.Sequential(*layers))
    assert found.numbers == 3 * 8 * 56 * 56 + 4


MADE = {
    "student": lambda: mobilefacenet(64, scale=1, width=0.25),
    "teacher": lambda: iresnet(18, 64, channels=(16, 16, 16, 16)),
}


@pytest.mark.parametrize("name", MADE)
def test_it_is_what_torch_keeps_for_the_backward_pass(name: str) -> None:
    with torch.device("meta"):
        counted = PictureCost.of(name, 64, MADE[name]()).numbers
    with switched_off():  # kernels of the CPU keep less
        kept = kept_by(MADE[name]().train(), pictures=4)
    assert kept == pytest.approx(4 * counted * 4, rel=0.1)


def kept_by(network: nn.Module, pictures: int) -> int:
    """Bytes that autograd holds and that are no weights."""
    weights = {one.data_ptr() for one in network.state_dict().values()}
    held = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        held[storage.data_ptr()] = (storage.nbytes(), tensor)  # alive, or its place is given away
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network(torch.randn(pictures, 3, 112, 112))
    return sum(size for place, (size, _) in held.items() if place not in weights)
