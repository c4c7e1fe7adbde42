"""Segmenting videos, frame by frame."""

import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vit_adapter.config import InputError, Precision, TaskName
from vit_adapter.config.counting import counted
from vit_adapter.config.files import atomic_path
from vit_adapter.config.output_place import check_output_file, check_output_folder
from vit_adapter.config.paths import takes_paths
from vit_adapter.config.progress_bar import ProgressBar
from vit_adapter.images.video_reading import Video, VideoFrame, opened_video
from vit_adapter.images.video_writing import VideoWriter, check_video_name, video_writer
from vit_adapter.tasks.semantic_files import PaletteForm

from .applied_predictor import ApplicationOptions, AppliedPredictor
from .overlapping import WriteBehind, read_ahead
from .protocols import ProtocolChanges
from .result_folder import ResultFolder
from .result_form import Ids, ResultForm

if TYPE_CHECKING:
    from vit_adapter.segmenter import Segmenter
    from vit_adapter.segmenter.prediction import Prediction


@dataclass(frozen=True)
class VideoReport:
    """What became of a video.

    Attributes:
        frames: Frames that were segmented.
        problem: What could not be decoded, in words; None: everything was.
    """

    frames: int
    problem: str | None = None


@takes_paths("model", "video", "output", "out", "checkpoint")
def predict_video(
    model: "str | Path | Segmenter",
    video: str | Path,
    output: str | Path | None = None,
    out: str | Path | None = None,
    *,
    checkpoint: str | Path | None = None,
    device: str = "auto",
    batch_size: int = 4,
    precision: Precision = "float32",
    fast: bool = False,
    dtype: Precision | None = None,
    protocol: ProtocolChanges = None,
    tta: bool = False,
    threshold: float | None = None,
    ids: Ids = "own",
    alpha: float = 0.5,
    palette: PaletteForm | None = None,
    quiet: bool = False,
    task: TaskName | None = None,
    score_threshold: float | None = None,
    mask_threshold: float | None = None,
    min_area: int | None = None,
) -> VideoReport:
    """Segments the frames of a video and writes a video of overlays, files for each frame, or both.

    The video has the size, the times and the rate of the frames, and the first sound track; what is stored turned is
    written upright. Classes have the same colours in all frames. What cannot be decoded is left out, and said; the rest
    is kept.

    Args:
        model: A model, what ``load`` takes, or a file NAME.onnx or NAME.xml that ``export`` wrote.
        video: The video file.
        output: The video of overlays, such as "out.mp4"; None: none.
        out: Folder for files of each frame, ``frame_000001_labels.png`` ..., as ``predict`` writes them; None: none.
        checkpoint: This and what follows: see ``predict``.
        device: Where it runs.
        batch_size: Windows processed together, and frames that are.
        precision: Of the network.
        fast: Optimize the model for this device first.
        dtype: The same, with weights of this type.
        protocol: What should differ in the way the model is applied.
        tta: Test-time augmentation.
        threshold: For two classes: smallest probability of the second one.
        ids: Values in the label maps.
        alpha: Strength of the colours in the overlays, 0..1.
        palette: Colours in the label maps.
        quiet: No progress bar, and no lines about what was done.
        task: What is asked for.
        score_threshold: Of objects the smallest score, of segments the smallest probability.
        mask_threshold: Smallest probability of the pixels of an object or segment.
        min_area: Objects and segments of fewer pixels are left out.

    Raises:
        InputError: The file is no video, nothing of it can be decoded, an argument cannot be used, or nothing can be
            written.
        ModuleNotFoundError: PyAV is not installed.
    """
    import av  # noqa: F401 (asked for before a model is loaded)

    options = ApplicationOptions(
        checkpoint=checkpoint,
        device=device,
        batch_size=batch_size,
        precision=precision,
        fast=fast,
        dtype=dtype,
        protocol=protocol,
        tta=tta,
        threshold=threshold,
        task=task,
        score_threshold=score_threshold,
        mask_threshold=mask_threshold,
        min_area=min_area,
    )
    options.check()
    form = ResultForm(ids=ids, overlay=False, alpha=alpha, palette=palette)
    video, output = Path(video), None if output is None else Path(output)
    _check_places(video, output, out)
    with opened_video(video) as opened:  # before the model, which takes longer
        applied = AppliedPredictor.prepared(model, options, quiet=quiet)
        if applied.channels != 3:
            raise InputError(f"{video}: frames have 3 channels, the model takes {applied.channels}")
        form = form.for_task(applied.task, applied.classes)
        made_by = applied.made_by(ids=ids, video=video.name)
        folder = None if out is None else ResultFolder(Path(out), form, made_by)
        walk = _VideoWalk(applied, folder, alpha, quiet)
        begin, writer = time.monotonic(), None
        with ExitStack() as stack:
            if output is not None:
                place = stack.enter_context(atomic_path(output))
                writer = stack.enter_context(
                    video_writer(
                        place,
                        rate=opened.rate,
                        time_base=opened.time_base,
                        pixel_ratio=opened.pixel_ratio,
                        sound_of=video if opened.has_audio else None,
                    )
                )
            walk.run(opened, writer)
        problem = _problem(opened, walk.done)
    if problem is not None:
        print(f"warning: {problem}", file=sys.stderr)
    if writer is not None and writer.silence is not None:
        print(
            f"warning: {video}: its sound is not, or not all, in {output} ({writer.silence})", file=sys.stderr
        )
    if not quiet:
        rate = f"{walk.done / max(1e-9, time.monotonic() - begin):.3g} frames/s"
        places = [str(place) for place in (output, out) if place is not None]
        print(f"{counted(walk.done, 'frame')}: {' and '.join(places)} ({rate})")
    return VideoReport(walk.done, problem)


class _VideoWalk:
    """Reads, segments and writes frames; a batch is read and another one written while the model works on one.

    Attributes:
        done: Frames that were written.
    """

    def __init__(
        self, applied: AppliedPredictor, folder: ResultFolder | None, alpha: float, quiet: bool
    ) -> None:
        self._applied, self._folder, self._alpha, self._quiet = applied, folder, alpha, quiet
        self.done = 0

    def run(self, video: Video, writer: VideoWriter | None) -> None:
        """Segments all frames.

        Raises:
            InputError: None can be decoded, or something cannot be written.
        """
        bar = ProgressBar("frames", video.frames, shown=not self._quiet)
        frames = video.read()
        size, begun = self._applied.batch_size, 0

        def read(_: int) -> list[VideoFrame]:
            return list(islice(frames, size))

        def settle(item: int, error: Exception | None) -> None:
            if error is not None:
                raise error
            self.done += item
            bar.advance(item)

        with bar, WriteBehind(settle) as writing:
            for _, batch_of in read_ahead(count(), read):
                batch = batch_of()
                if not batch:
                    break
                results = self._applied.predictor.segment_together(
                    [frame.pixels for frame in batch], self._applied
                )
                writing.submit(len(batch), partial(self._write, writer, batch, results, begun))
                begun += len(batch)
        if not self.done:
            raise InputError(f"{video.path}: no frame of it can be decoded; the file is damaged")

    def _write(
        self,
        writer: VideoWriter | None,
        batch: "Sequence[VideoFrame]",
        results: "Sequence[Prediction]",
        start: int,
    ) -> None:
        for number, (frame, result) in enumerate(zip(batch, results, strict=True), start=start + 1):
            if self._folder is not None:
                name = f"frame_{number:06d}"
                if problem := self._folder.problem(name):
                    raise InputError(problem)
                self._folder.write(result, name, str(number))
            if writer is not None:
                writer.write(np.asarray(result.frame(self._alpha)), frame.time)


def _check_places(video: Path, output: Path | None, out: str | Path | None) -> None:
    """Refuses, before the work, places that cannot be written."""
    if output is None and out is None:
        raise InputError(
            "nothing to write: name a video (-o out.mp4), a folder for label maps (--out), or both"
        )
    if output is not None:
        check_output_file(output, "-o")
        check_video_name(output, "-o")
        if output.exists() and video.exists() and output.samefile(video):
            raise InputError(f"-o {output}: is the video itself")
    if out is not None:
        check_output_folder(out, "--out")


def _problem(video: Video, done: int) -> str | None:
    """What could not be decoded, in words."""
    if video.damages:
        places = counted(video.damages, "place")
        kept = f"{counted(done, 'frame')} that could {'is' if done == 1 else 'are'} kept"
        return f"{video.path}: {places} could not be decoded; {kept}"
    if video.states_frames and video.frames is not None and done < video.frames:
        return f"{video.path}: ends after {done} of {video.frames} frames; the file is cut off, what was there is kept"
    return None
