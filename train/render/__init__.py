"""Procedural faces: an endless supply of people who do not exist."""

from embedge.train.render.renderer import RENDERER_VERSION, FaceRenderer, RenderedFaces, Scene

__all__ = ["RENDERER_VERSION", "FaceRenderer", "RenderedFaces", "Scene"]
