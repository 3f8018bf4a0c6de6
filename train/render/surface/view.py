"""Head to camera to picture: rotation, perspective, and the similarity that aligns a crop."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedge.runtime.contract import ARCFACE_112
from embedge.train.render.nuisance import Pose
from embedge.train.render.surface.shapes import Floats

__all__ = ["Similarity", "aligned", "plane_of_points", "rays", "rotation", "similarity"]


@dataclass(frozen=True, slots=True)
class Similarity:
    """Picture plane to pixels: pixel = matrix @ point + shift."""

    matrix: NDArray[np.float64]
    shift: NDArray[np.float64]

    @property
    def scale(self) -> float:
        """Pixels per pupil distance."""
        return float(np.hypot(self.matrix[0, 0], self.matrix[1, 0]))

    def pixels(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        return points @ self.matrix.T + self.shift

    def plane(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Picture-plane coordinates of pixels, in single precision."""
        inverse = np.linalg.inv(self.matrix)
        offset = -inverse @ self.shift
        (a, b), (c, d) = inverse.tolist()
        return a * x + b * y + float(offset[0]), c * x + d * y + float(offset[1])


def rotation(pose: Pose) -> NDArray[np.float64]:
    """Head to camera: nod, then turn, then tilt."""
    yaw, pitch, roll = np.radians([pose.yaw, pose.pitch, pose.roll])
    turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    nod = np.array(
        [[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]]
    )
    tilt = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    turned: NDArray[np.float64] = tilt @ turn @ nod
    return turned


def plane_of_points(
    points: NDArray[np.float64], turn: NDArray[np.float64], distance: float
) -> NDArray[np.float64]:
    """Perspective projection of head points (n, 3) onto the plane through the head's centre."""
    seen = points @ turn.T
    plane: NDArray[np.float64] = seen[:, :2] * (distance / (distance - seen[:, 2:]))
    return plane


def rays(
    x: Floats, y: Floats, turn: NDArray[np.float64], distance: float, axes: Floats
) -> tuple[Floats, Floats]:
    """Camera position (3,) and unit ray directions (3, n), in the space where the head is round."""
    back = (turn.T / axes[:, None]).astype(np.float32)
    origin = back[:, 2] * np.float32(distance)
    directions = back[:, :1] * x + back[:, 1:2] * y - origin[:, None]
    directions /= np.sqrt(np.einsum("ij,ij->j", directions, directions))
    return origin, directions


def similarity(source: NDArray[np.float64], target: NDArray[np.float64]) -> Similarity:
    """Least-squares rotation, uniform scale and shift that take source points to target points."""
    here, there = source.mean(axis=0), target.mean(axis=0)
    a, b = source - here, target - there
    cosine = float((a * b).sum())
    sine = float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum())
    matrix = np.array([[cosine, -sine], [sine, cosine]]) / float((a * a).sum())
    return Similarity(matrix, there - matrix @ here)


def aligned(seen: NDArray[np.float64]) -> Similarity:
    """The similarity to the ArcFace crop for five landmarks as a detector saw them."""
    return similarity(seen, np.asarray(ARCFACE_112))
