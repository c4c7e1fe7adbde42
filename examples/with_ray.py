"""Segment images of an object store with Ray Data.

python examples/with_ray.py MODEL IMAGES OUT      such as runs/mine s3://bucket/photos s3://bucket/results

As many models work as the Ray cluster has GPUs, or half as many as it has CPU cores; one machine is a cluster too.
IMAGES and OUT are folders, local or in a store that pyarrow knows (s3://, gs://). OUT gets Parquet files with a row for
each image: its path, the label map as PNG, and the share of every class. Needs: pip install 'vit-adapter[ray]'
"""

import io
import sys
from typing import Any

import numpy as np
import ray
from PIL import Image

from vit_adapter import InputError, SemanticResult, load

SUFFIXES = ["jpg", "jpeg", "png", "tif", "tiff", "webp"]


class Labels:
    """A model, loaded once by each worker; called with batches of files."""

    def __init__(self, model: str) -> None:
        self.model = load(model)

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, list[Any]]:
        """Files to label maps; one that cannot be read gets the reason instead."""
        rows = [self.row(content) for content in batch["bytes"]]
        return {"path": list(batch["path"]), **{name: [row[name] for row in rows] for name in rows[0]}}

    def row(self, content: bytes) -> dict[str, Any]:
        """What is said of one file."""
        try:
            result = self.model.predict(content)
        except InputError as error:
            return {"labels": b"", "classes": [], "shares": [], "error": str(error)}
        assert isinstance(result, SemanticResult)
        png = io.BytesIO()
        Image.fromarray(result.own_ids()).save(png, "PNG")
        counts = np.bincount(result.labels.ravel(), minlength=len(result.class_names))
        shares = (counts[: len(result.class_names)] / result.labels.size).tolist()
        return {"labels": png.getvalue(), "classes": list(result.class_names), "shares": shares, "error": ""}


def main(model: str, images: str, out: str) -> None:
    """Reads, segments and writes at the same time, wherever there is room."""
    ray.init(ignore_reinit_error=True)
    gpus = int(ray.cluster_resources().get("GPU", 0))
    workers = gpus or max(1, int(ray.cluster_resources()["CPU"]) // 2)
    files = ray.data.read_binary_files(
        images, include_paths=True, file_extensions=["jpg", "jpeg", "png", "tif", "tiff"]
    )
    labels = files.map_batches(
        Labels,
        fn_constructor_args=(model,),
        batch_size=8,
        compute=ray.data.ActorPoolStrategy(size=workers),
        num_gpus=1 if gpus else 0,
    )
    labels.write_parquet(out)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
