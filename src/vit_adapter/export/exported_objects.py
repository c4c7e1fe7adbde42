"""Objects and segments that an exported file finds in images, in numpy, without torch."""

from collections.abc import Callable

import numpy as np

from vit_adapter.annotations import Instances, Segments
from vit_adapter.config import InferenceConfig, InputError, TaskName
from vit_adapter.inference.grid import Size
from vit_adapter.tasks.box_joining import counted_boxes, joined_boxes
from vit_adapter.tasks.joined_objects import objects_of_view, things_of
from vit_adapter.tasks.joined_segments import known_things, segments_of_view
from vit_adapter.tasks.window_walk import Found, FoundInView, MaskSizes, WindowWalk

from .box_choosing import chosen_boxes
from .exported_file import ExportedFile
from .query_answers import chosen_instances, chosen_segments

Decode = Callable[[list[np.ndarray], MaskSizes, Size], Found]
"""From the outputs for one window, its sizes, and (height, width) that is image, to what was found there."""


class ExportedObjects(ExportedFile):
    """A file that gives queries or boxes; arguments and errors are those of ``ExportedFile``.

    Its methods take ``image`` [H, W, C] as ``images.read_image`` gives it, ``batch_size``: windows in one call, where
    the file takes several, ``protocol``: another way of applying the model than its own, and ``counted``, which is told
    of the windows of every call that ended.
    """

    @property
    def tasks(self) -> tuple[TaskName, ...]:
        """What the file can be asked for, its model's own task first."""
        known: dict[str, tuple[TaskName, ...]] = {
            "boxes": ("detection",),
            "queries": ("semantic", "instance"),
        }
        tasks = known.get(self.description.output, ("semantic",))
        if self.description.output == "queries" and self.classes.is_thing is not None:
            tasks = (*tasks, "panoptic")
        return tuple(sorted(tasks, key=lambda task: task != self.description.task))

    def boxes(
        self,
        image: np.ndarray,
        *,
        batch_size: int = 4,
        protocol: InferenceConfig | None = None,
        counted: Callable[[int], object] = lambda windows: None,
    ) -> Instances:
        """The objects of an image as boxes, best first.

        Raises:
            InputError: The file gives no boxes, takes no image of this size, or the protocol averages several views.
        """
        protocol, rule = protocol or self.protocol, self.description.boxes
        if rule is None:
            raise InputError(f"{self.file}: gives {self.description.output}, no boxes")

        def decode(outputs: list[np.ndarray], sizes: MaskSizes, shown: Size) -> Instances:
            central = outputs[2] if len(outputs) > 2 else None
            boxes, classes, scores = chosen_boxes(outputs[0], outputs[1], central, rule, sizes.padded, shown)
            return counted_boxes(boxes, classes, scores, sizes, protocol.objects)

        return joined_boxes(self._find(image, batch_size, protocol, counted, decode))

    def instances(
        self,
        image: np.ndarray,
        *,
        batch_size: int = 4,
        protocol: InferenceConfig | None = None,
        counted: Callable[[int], object] = lambda windows: None,
    ) -> Instances:
        """The objects of an image with masks as run-lengths, best first.

        Raises:
            InputError: The file gives no queries, takes no image of this size, or the protocol averages several views.
        """
        self._check_queries("objects")
        protocol, things = protocol or self.protocol, things_of(self.classes)

        def decode(outputs: list[np.ndarray], sizes: MaskSizes, shown: Size) -> Instances:
            return chosen_instances(outputs[0], outputs[1], sizes, things, protocol.objects)

        found = self._find(image, batch_size, protocol, counted, decode)
        return objects_of_view(found, protocol.objects.min_area)

    def segments(
        self,
        image: np.ndarray,
        *,
        batch_size: int = 4,
        protocol: InferenceConfig | None = None,
        counted: Callable[[int], object] = lambda windows: None,
    ) -> Segments:
        """Every pixel's object, or class of stuff.

        Raises:
            InputError: As ``instances``; or the classes do not say which are things.
        """
        self._check_queries("segments")
        protocol, things = protocol or self.protocol, known_things(self.classes)

        def decode(outputs: list[np.ndarray], sizes: MaskSizes, shown: Size) -> Segments:
            return chosen_segments(outputs[0], outputs[1], sizes, things, protocol.objects)

        found = self._find(image, batch_size, protocol, counted, decode)
        return segments_of_view(found, things, protocol.objects.min_area)

    def _check_queries(self, wanted: str) -> None:
        if self.description.output != "queries":
            raise InputError(
                f"{self.file}: gives {self.description.output}, no {wanted}; export with --queries"
            )

    def _find(
        self,
        image: np.ndarray,
        batch_size: int,
        protocol: InferenceConfig,
        counted: Callable[[int], object],
        decode: Decode[Found],
    ) -> FoundInView[Found]:
        walk = WindowWalk[Found](image, protocol)
        shown = (walk.grid[0].height, walk.grid[0].width)  # all windows have the size of the first
        for numbers, seen, outputs in self.calls(walk.grid, walk.cut, batch_size, counted):
            for place, number in enumerate(numbers):
                sizes = walk.sizes(number)._replace(padded=seen)
                walk.found[number] = decode([output[place] for output in outputs], sizes, shown)
        return walk.result()
