"""How a two-stage detector learns and answers."""

from dataclasses import dataclass, field

from .box_sampler import BoxSampler
from .overlap_assigner import OverlapAssigner
from .proposals import ProposalLimits, ProposalTraining
from .region_features import FINEST
from .suppression import Suppression


@dataclass(frozen=True)
class RegionTraining:
    """How regions are learned in one stage.

    Attributes:
        assigner: Which proposals learn which object.
        sampler: Which of them take part.
        weight: Of the stage's losses.
    """

    assigner: OverlapAssigner = field(default_factory=lambda: OverlapAssigner(0.5, 0.5, 0.5))
    sampler: BoxSampler = field(default_factory=lambda: BoxSampler(512, 0.25, add_truth=True))
    weight: float = 1.0


@dataclass(frozen=True)
class DetectionLimits:
    """Which boxes become detections.

    Attributes:
        least_score: Scores have to be above it, strictly.
        suppression: Which of overlapping boxes of a class stays.
        count: Most detections of an image, all classes together.
    """

    least_score: float = 0.05
    suppression: Suppression | None = field(default_factory=lambda: Suppression(0.5))
    count: int = 100


@dataclass(frozen=True)
class TwoStageSettings:
    """How a two-stage detector learns and answers.

    Attributes:
        proposal_training: How proposals are learned.
        training_proposals: Which proposals the regions learn from.
        proposals: Which proposals the regions answer for.
        regions: How each stage learns.
        limits: Which boxes become detections.
        finest: Side in pixels below twice of which a region is read at the finest level.
    """

    proposal_training: ProposalTraining = field(default_factory=ProposalTraining)
    training_proposals: ProposalLimits = field(default_factory=lambda: ProposalLimits(2000, 1000))
    proposals: ProposalLimits = field(default_factory=ProposalLimits)
    regions: tuple[RegionTraining, ...] = (RegionTraining(),)
    limits: DetectionLimits = field(default_factory=DetectionLimits)
    finest: int = FINEST
