"""Which setting was meant by a name that does not exist."""

import difflib
from collections.abc import Iterable

USUAL = {
    "lr": "training.learning_rate",
    "base_lr": "training.learning_rate",
    "rate": "training.learning_rate",
    "learningrate": "training.learning_rate",
    "min_lr": "training.minimum_learning_rate",
    "wd": "training.weight_decay",
    "decay": "training.weight_decay",
    "epoch": "training.steps",
    "epochs": "training.steps",
    "max_epochs": "training.steps",
    "num_epochs": "training.steps",
    "iters": "training.steps",
    "max_iters": "training.steps",
    "iterations": "training.steps",
    "max_steps": "training.steps",
    "num_steps": "training.steps",
    "bs": "training.batch_size",
    "batch": "training.batch_size",
    "batchsize": "training.batch_size",
    "samples_per_gpu": "training.batch_size",
    "accumulate_grad_batches": "training.accumulate",
    "gradient_accumulation_steps": "training.accumulate",
    "warmup": "training.warmup_steps",
    "warmup_iters": "training.warmup_steps",
    "ema": "training.ema_decay",
    "clip_grad": "training.clip_gradient_norm",
    "grad_clip": "training.clip_gradient_norm",
    "amp": "training.precision",
    "fp16": "training.precision",
    "gpus": "training.devices",
    "num_gpus": "training.devices",
    "gpu": "training.accelerator",
    "device": "training.accelerator",
    "num_nodes": "training.nodes",
    "patience": "training.early_stopping",
    "val_interval": "training.validate_every",
    "val_every": "training.validate_every",
    "output": "training.out",
    "output_dir": "training.out",
    "work_dir": "training.out",
    "save_dir": "training.out",
    "checkpoint": "training.init",
    "weights": "training.init",
    "load_from": "training.init",
    "finetune": "training.init",
    "dataset": "data.root",
    "data_root": "data.root",
    "data_dir": "data.root",
    "data_path": "data.root",
    "images": "data.root",
    "num_workers": "data.workers",
    "ignore_index": "data.ignore",
    "class_names": "data.classes",
    "names": "data.classes",
    "num_classes": "data.classes",
    "nc": "data.classes",
    "crop_size": "data.augmentation.crop",
    "image_size": "data.augmentation.crop",
    "imgsz": "data.augmentation.crop",
    "img_size": "model.vit.img_size",
    "size": "data.augmentation.crop",
    "hflip": "data.augmentation.flip",
    "color_jitter": "data.augmentation.photometric",
    "jitter": "data.augmentation.photometric",
    "backbone": "model.vit.name",
    "encoder": "model.vit.name",
    "arch": "model.vit.name",
    "decoder": "model.head.kind",
    "freeze": "model.vit.frozen",
    "freeze_backbone": "model.vit.frozen",
    "window": "protocol.crop",
    "window_size": "protocol.crop",
    "overlap": "protocol.stride",
    "test_time_augmentation": "evaluation.tta",
}
"""The field's usual names to ours."""

_EXPLAINED = {
    "training.steps": "one pass over N images takes N / training.batch_size of them",
    "protocol.stride": "the distance between windows, not their overlap",
}


def near_setting(name: str, known: Iterable[str], dashes: str = "") -> str:
    """Words about an unknown setting, with the one that was probably meant.

    Args:
        name: As it was given, without dashes: ``training.lr``.
        known: Names that exist.
        dashes: What precedes a name where it was given: ``--`` for flags.
    """
    meant = nearest(name, list(known))
    kind = "flag" if dashes else "setting"
    if meant is None:
        return f"there is no such {kind}"
    about = _EXPLAINED.get(meant) if _plain(name.rpartition(".")[2]) in USUAL else None
    return f"there is no such {kind}; did you mean {dashes}{meant}?" + (f" ({about})" if about else "")


def nearest(name: str, known: list[str]) -> str | None:
    """The existing name that was probably meant; None: no idea."""
    plain, last = _plain(name), _plain(name.rpartition(".")[2])
    by_plain = {_plain(one): one for one in reversed(known)}
    if plain in by_plain:
        return by_plain[plain]  # another case, or dashes for underscores
    if USUAL.get(last) in known:
        return USUAL[last]
    same_end = [one for one in known if one.rpartition(".")[2] == last]
    if same_end:
        return same_end[0]
    longer = [one for one in known if _plain(one).startswith(plain)]
    if len(plain) > 2 and longer:
        return min(longer, key=lambda one: (one.count("."), len(one)))
    shorter = [one for one in known if len(one) > 2 and last.startswith(_plain(one))]
    if shorter:
        return max(shorter, key=len)
    near = difflib.get_close_matches(plain, by_plain, n=1, cutoff=0.7)
    if near:
        return by_plain[near[0]]
    ends = {one.rpartition(".")[2]: one for one in reversed(known)}
    near = difflib.get_close_matches(last, ends, n=1, cutoff=0.75)
    return ends[near[0]] if near else None


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")
