"""What several processes did of a batch, put together as if one had done it."""

from collections.abc import Sequence
from dataclasses import dataclass

from vit_adapter.images import ImageRemarks

from .batch import Batch
from .batch_tables import BatchTables, TableRows
from .prediction_inputs import InputImage
from .team import Team


@dataclass(frozen=True)
class Share:
    """What one process did; see ``Batch``."""

    failures: list[tuple[str, str]]
    done: int
    there: int
    whole: int
    remarks: ImageRemarks
    lost: list[str]
    rows: TableRows


def join_shares(team: Team, batch: Batch, tables: BatchTables, images: Sequence[InputImage]) -> None:
    """Afterwards the first process's batch and tables hold what all processes did, in the order of the images.

    Args:
        team: The processes; all of them call it.
        batch: This process's.
        tables: This process's.
        images: All images of all processes.

    Raises:
        InputError: The log cannot be put together; see ``Team.gather``.
    """
    if team.size == 1:
        return
    own = Share(
        batch.failures, batch.done, batch.there, batch.whole, batch.remarks, batch.lost, tables.rows()
    )
    shares = team.gather(own)
    if team.rank:
        return
    order = {str(image.path): number for number, image in enumerate(images)}
    failures = [failure for share in shares for failure in share.failures]
    batch.failures = sorted(failures, key=lambda failure: order.get(failure[0], -1))
    batch.done, batch.there, batch.whole = (
        sum(getattr(share, name) for share in shares) for name in ("done", "there", "whole")
    )
    batch.remarks = _in_order(ImageRemarks().add(share.remarks for share in shares), order)
    batch.lost = sorted(
        (image for share in shares for image in share.lost), key=lambda image: order.get(image, -1)
    )
    tables.join([share.rows for share in shares], order)


def _in_order(remarks: ImageRemarks, order: dict[str, int]) -> ImageRemarks:
    return ImageRemarks(
        **{
            name: dict(sorted(found.items(), key=lambda item: order.get(item[0], -1)))
            for name, found in vars(remarks).items()
        }
    )
