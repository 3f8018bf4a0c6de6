"""A narrow MobileFaceNet from a wide one: the same filters, in fewer directions.

Between two bottlenecks flows a stream that no activation touches, so it may be turned at will: the
student keeps its principal directions. The bottlenecks' own channels, which are as many in both,
keep their filters over places (and their slopes, where the student has PReLU). Every pointwise
layer is then fitted by least squares to what the teacher's gives, from what has become of the
student so far: errors of one layer are made good by the next instead of adding up. Of the stem,
where channels are not free to turn, the strongest stay.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from embedge.train.inherit.folded import BOTTLENECKS, FoldedConv, FoldedNet
from embedge.train.inherit.least_squares import affine_fit, ridge_fit
from embedge.train.inherit.norms import put, settle_norms
from embedge.train.models import MobileFaceNet

__all__ = ["slice_into"]

_BATCH = 64
_FITTED = 512  # pictures that pointwise layers are fitted on
_PLACES = 24  # of each of them, at most


def slice_into(
    student: MobileFaceNet, teacher: FoldedNet, pictures: Tensor, target: Tensor
) -> float:
    """Fill `student` in place, on pictures (N, 3, 112, 112) and the teacher's embeddings of them.

    Returns the mean cosine of its embeddings to the teacher's on the last quarter of the pictures,
    which the last layer was not fitted on.
    """
    student.eval()
    some = pictures[:_FITTED]
    with torch.inference_mode():
        directions = _principal_directions(student, teacher, some)
        _stem(student, teacher, some)
        pair = _Pair(
            _through(lambda x: student.layers[1](student.layers[0](x)), some),
            _through(lambda x: teacher.convs[1](teacher.convs[0](x)), some),
        )
        for number, block in enumerate(_bottlenecks(student)):
            stream, residual = BOTTLENECKS[number]
            pair = _bottleneck(
                pair, block, teacher.bottleneck(number), directions[stream], residual
            )
        _pointwise(_inner(student.conv_sep), teacher.convs[-1], pair)
        cosine = _tail(student, teacher, pictures, target)
        settle_norms(student, pictures[: 4 * _BATCH].split(_BATCH))
    return cosine


@dataclass(frozen=True, slots=True)
class _Pair:
    """What has become of the same pictures in the student and in the teacher."""

    mine: Tensor
    theirs: Tensor


def _bottleneck(
    pair: _Pair,
    block: list[nn.Sequential],
    convs: tuple[FoldedConv, FoldedConv, FoldedConv],
    directions: Tensor,
    residual: bool,
) -> _Pair:
    expand, depthwise, project = block
    _pointwise(expand, convs[0], pair)
    put(depthwise, convs[1])
    hidden = _through(lambda x: depthwise(expand(x)), pair.mine)
    added = _through(lambda x: convs[2](convs[1](convs[0](x))), pair.theirs)
    theirs = pair.theirs + added if residual else added
    wanted = torch.einsum("nchw,cd->ndhw", theirs, directions)
    _fit(
        project, replace(convs[2], slopes=None), hidden, wanted - pair.mine if residual else wanted
    )
    mine = _through(project, hidden)
    return _Pair(pair.mine + mine if residual else mine, theirs)


def _pointwise(layers: nn.Sequential, conv: FoldedConv, pair: _Pair) -> None:
    """The layer that makes of the student's stream what `conv` makes of the teacher's."""
    _fit(layers, conv, pair.mine, _through(conv.linear, pair.theirs))


def _fit(layers: nn.Sequential, conv: FoldedConv, have: Tensor, want: Tensor) -> None:
    draw = torch.Generator().manual_seed(0)
    # other places in every picture: at a map's border zeros flow in, which a fit must have seen
    places = torch.randint(0, have[0, 0].numel(), (len(have), 1, _PLACES), generator=draw)
    given, wanted = (
        x.flatten(2).gather(2, places.expand(-1, x.shape[1], -1)).transpose(1, 2).flatten(0, 1)
        for x in (have, want)
    )
    weight, bias = affine_fit(given, wanted)
    put(layers, replace(conv, weight=weight[:, :, None, None], bias=bias))


def _through(layer: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return torch.cat([layer(part) for part in x.split(_BATCH)])


def _bottlenecks(student: MobileFaceNet) -> list[list[nn.Sequential]]:
    found: list[nn.Module] = []
    for layer in list(student.layers)[2:]:
        found += [layer] if hasattr(layer, "residual") else list(_inner(layer))
    return [[_inner(conv) for conv in _inner(block)] for block in found]


def _inner(module: nn.Module) -> nn.Sequential:
    layers = module.layers
    assert isinstance(layers, nn.Sequential)
    return layers


def _convolution(layers: nn.Sequential) -> nn.Conv2d:
    convolution = layers[0]
    assert isinstance(convolution, nn.Conv2d)
    return convolution


def _principal_directions(
    student: MobileFaceNet, teacher: FoldedNet, pictures: Tensor
) -> list[Tensor]:
    """Of each stream, (teacher's channels, the student's). Uncentred: a mean is a direction."""
    moments: dict[int, Tensor] = {}
    for low in range(0, len(pictures), _BATCH):
        x = teacher.convs[1](teacher.convs[0](pictures[low : low + _BATCH]))
        for stream, y in teacher.streams(x):
            rows = y.transpose(0, 1).flatten(1)
            moments[stream] = moments.get(stream, 0) + (rows @ rows.T).double()
    blocks = enumerate(_bottlenecks(student))
    wanted = {BOTTLENECKS[n][0]: _convolution(block[2]).out_channels for n, block in blocks}
    return [
        torch.linalg.eigh(moments[stream])[1][:, -wanted[stream] :].float()
        for stream in sorted(moments)
    ]


def _stem(student: MobileFaceNet, teacher: FoldedNet, pictures: Tensor) -> None:
    """The strongest channels of every group."""
    stem, depthwise = _inner(student.layers[0]), _inner(student.layers[1])
    inside = teacher.convs[0](pictures[:_BATCH])
    outside = teacher.convs[1](inside)
    groups = teacher.convs[1].groups
    energy = outside.square().mean((0, 2, 3)).view(groups, -1)
    each = _convolution(stem).out_channels // groups
    wide = energy.shape[1]
    base = torch.arange(groups)[:, None] * wide
    outs = (energy.topk(each).indices.sort(1).values + base).flatten()
    filters = teacher.convs[1].weight
    reach = filters[outs].flatten(2).norm(dim=2).view(groups, each, wide).sum(1)
    local = (reach * inside.std((0, 2, 3)).view(groups, -1)).topk(each).indices.sort(1).values
    ins = (local + base).flatten()
    put(stem, _kept(teacher.convs[0], ins))
    chosen = local.repeat_interleave(each, 0)[:, :, None, None].expand(-1, -1, *filters.shape[2:])
    put(depthwise, replace(_kept(teacher.convs[1], outs), weight=filters[outs].gather(1, chosen)))


def _kept(conv: FoldedConv, rows: Tensor) -> FoldedConv:
    slopes = None if conv.slopes is None else conv.slopes[rows]
    return replace(conv, weight=conv.weight[rows], bias=conv.bias[rows], slopes=slopes)


def _tail(student: MobileFaceNet, teacher: FoldedNet, pictures: Tensor, target: Tensor) -> float:
    """Each channel's weights over the places: what of the teacher's a single filter can hold."""
    pooling, _, linear, norm = student.features.layers
    assert isinstance(linear, nn.Linear)
    filters = torch.stack(
        [_strongest(teacher.places[:, c]) for c in range(teacher.places.shape[1])]
    )
    side = int(filters.shape[1] ** 0.5)
    none = torch.zeros(len(filters))
    put(_inner(pooling), FoldedConv(filters.view(-1, 1, side, side), none))
    pooled = []
    for low in range(0, len(pictures), _BATCH):
        x = pictures[low : low + _BATCH]
        for layer in student.layers:
            x = layer(x)
        pooled.append(pooling(student.conv_sep(x)).flatten(1))
    weight, bias, cosine = ridge_fit(torch.cat(pooled), target)
    linear.weight.copy_(weight)
    assert isinstance(norm, nn.BatchNorm1d)
    norm.bias.copy_(bias)
    return cosine


def _strongest(matrix: Tensor) -> Tensor:
    """(dim, places) by one filter over the places."""
    _, strength, right = torch.linalg.svd(matrix, full_matrices=False)
    strongest: Tensor = right[0] * strength[0].sqrt()
    return strongest
