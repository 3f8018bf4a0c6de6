"""The camera's part: colour, lost resolution, motion, noise, JPEG."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from embedge.train.render.nuisance import Camera
from embedge.train.render.surface.shapes import Floats, clamp

__all__ = ["photograph"]

_GREY = np.array([0.299, 0.587, 0.114], np.float32)


def photograph(
    radiance: Floats, shape: tuple[int, int], camera: Camera, grain: Floats
) -> NDArray[np.uint8]:
    """Linear radiance (3, n) to a compressed picture (height, width, 3)."""
    pixels = _developed(radiance, camera)
    pixels *= 255.0
    pixels += 0.5
    image = np.ascontiguousarray(pixels.astype(np.uint8).T).reshape(*shape, 3)
    if camera.motion or camera.resolution < 1.0:
        image = np.asarray(_blurred(Image.fromarray(image), camera))
    return _compressed(_grainy(image, camera.noise, grain), camera.quality)


def _developed(radiance: Floats, camera: Camera) -> Floats:
    """Gamma 2, contrast, white balance and saturation, within 0 to 1."""
    tone = np.sqrt(clamp(radiance, 0.0, 1.0))
    tone *= np.float32(camera.contrast) * np.asarray(camera.balance, np.float32)[:, None]
    tone += np.float32(0.45 * (1.0 - camera.contrast))
    grey = _GREY @ tone
    tone -= grey
    tone *= np.float32(camera.saturation)
    tone += grey
    return clamp(tone, 0.0, 1.0)


def _blurred(image: Image.Image, camera: Camera) -> Image.Image:
    if camera.motion:
        image = image.filter(_motion_kernel(camera.motion, camera.motion_angle))
    if camera.resolution < 1.0:
        width, height = image.size
        small = (
            max(8, round(width * camera.resolution)),
            max(8, round(height * camera.resolution)),
        )
        image = image.resize(small, Image.Resampling.BILINEAR).resize(
            (width, height), Image.Resampling.BICUBIC
        )
    return image


def _motion_kernel(length: float, angle: float) -> ImageFilter.Kernel:
    places = np.arange(-2, 3)
    u = places[None, :] * np.cos(angle) + places[:, None] * np.sin(angle)
    v = places[:, None] * np.cos(angle) - places[None, :] * np.sin(angle)
    weights = np.exp(-0.5 * ((u / (0.4 * length)) ** 2 + (v / 0.5) ** 2))
    return ImageFilter.Kernel((5, 5), (weights / weights.sum()).ravel().tolist(), scale=1.0)


def _grainy(image: NDArray[np.uint8], noise: float, grain: Floats) -> NDArray[np.uint8]:
    noisy = grain.reshape(image.shape) * np.float32(noise)
    noisy += image
    noisy += 0.5
    return clamp(noisy, 0.0, 255.0).astype(np.uint8)


def _compressed(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    buffer = io.BytesIO()
    stored = Image.fromarray(image)
    stored.save(buffer, "JPEG", quality=quality)
    # straight to the decoder: what the file is needs no finding out
    return np.asarray(Image.frombytes("RGB", stored.size, buffer.getvalue(), "jpeg", "RGB", ""))
