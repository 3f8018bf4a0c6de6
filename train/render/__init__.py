"""Procedural faces: an endless supply of people who do not exist."""

from embedge.train.render.renderer import RENDERER_VERSION, FaceRenderer, RenderedFaces, Scene
from embedge.train.render.stream import render_stream

__all__ = ["RENDERER_VERSION", "FaceRenderer", "RenderedFaces", "Scene", "render_stream"]
