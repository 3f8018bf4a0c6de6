"""RKD (arXiv 1904.05068): labels, and the relations between the pictures of a batch.

    L = CE(own) + λ_D·huber(d_s/mean d_s, d_t/mean d_t) + λ_A·huber(cos∠_s, cos∠_t)

over all pairs and all triplets of normalised embeddings. The student's space may be turned
against the teacher's: this is no way to speak the teacher's language, only a baseline. Pairs and
triplets are those of the whole batch, however many processes share it.
"""

import torch
from torch import Tensor
from torch.nn.functional import normalize, pdist, smooth_l1_loss

from embedge.train.loop.ranks import everybodys, gathered
from embedge.train.methods.parts.method import Ingredients, Loss, Method, Sample, own_head

__all__ = ["Relations"]

# triplets grow with the third power: 512 pictures would have 134 million
_MOST_IN_TRIPLETS = 128


class Relations(Method):
    settings = ("relation_distance", "relation_angle", "head_dtype")
    shares_space = False
    needs_teacher = True

    def __init__(self, ingredients: Ingredients):
        super().__init__(ingredients)
        self.head = own_head(ingredients)

    def forward(self, sample: Sample) -> Loss:
        ce = self.own_ce(sample, self.head)
        student = everybodys(normalize(sample.student))
        teacher = gathered(normalize(sample.target))
        distance = smooth_l1_loss(_distances(student), _distances(teacher))
        some = slice(_MOST_IN_TRIPLETS)
        angle = smooth_l1_loss(_angles(student[some]), _angles(teacher[some]))
        return Loss.weighted(
            {
                "ce": (1.0, ce),
                "distances": (self.weights.relation_distance, distance),
                "angles": (self.weights.relation_angle, angle),
            }
        )


def _distances(rows: Tensor) -> Tensor:
    """Of every pair, in units of their mean."""
    distances = pdist(rows)
    return distances / distances.mean().clamp_min(1e-12)


def _angles(rows: Tensor) -> Tensor:
    """cos∠(j, i, k) for every vertex i: (B, B, B)."""
    towards = normalize(rows[None, :, :] - rows[:, None, :], dim=2)
    return torch.bmm(towards, towards.transpose(1, 2))
