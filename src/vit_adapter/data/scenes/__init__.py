"""Embedded street scenes: drawn, not photographed, deterministic by their number."""

from .scene import SCENE_CLASSES, Scene, SceneClass, SceneSegment, object_size_statistics, render_scene

__all__ = ["SCENE_CLASSES", "Scene", "SceneClass", "SceneSegment", "object_size_statistics", "render_scene"]
