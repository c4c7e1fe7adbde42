"""A model made for inference alone: folded norms, half precision, compiled parts."""

from collections.abc import Iterator
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from vit_adapter.backbones.vit.wrapper import ViTWrapper
from vit_adapter.config import InputError, Precision
from vit_adapter.heads.convolution import ConvNormReLU

KEPT_BYTES = 1 << 30
"""What an optimized model keeps between images at most: relative position biases of a BEiT-B at 512 pixels."""
OptimizeMode = Literal["eager", "compile"]


def optimize(model: nn.Module, mode: OptimizeMode = "eager", dtype: Precision | None = None) -> list[str]:
    """Changes a model so that it predicts faster and cannot be trained any more, see ``Segmenter.optimize``.

    Returns:
        What was done, for people.

    Raises:
        InputError: The mode or the type is unknown or cannot be used here.
    """
    device = next(model.parameters()).device
    check_mode(mode, device)
    kind = _checked_type(dtype, device)
    model.eval().requires_grad_(False)
    folded = sum(_fold(convolution, norm, holder, name) for convolution, norm, holder, name in _pairs(model))
    done = [f"{folded} batch norms folded into their convolutions"]
    if kind is not None:
        model.to(kind)
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.float()  # statistics are sums over many images: too coarse in half precision
        done.append(f"weights in {dtype}")
    if device.type == "cpu":
        # What convolutions on the CPU would bring them to at every call.
        model.to(memory_format=torch.channels_last)
    backbone = getattr(model, "backbone", model)
    wrapper = getattr(backbone, "wrapper", None)
    if isinstance(wrapper, ViTWrapper):
        wrapper.kept_bytes = KEPT_BYTES
    if mode == "compile":
        # The head keeps its own forms, which are faster than what a compiler makes of the plain ones.
        backbone.compile(mode="reduce-overhead" if device.type == "cuda" else None)
        done.append(
            "backbone compiled at its first call" + (" with CUDA graphs" if device.type == "cuda" else "")
        )
    return done


def fastest(device: torch.device) -> tuple[OptimizeMode, Precision]:
    """Mode and type that are fastest on a device without a long start: on a CPU nothing is compiled."""
    compiles = device.type == "cuda" and missing_compiler(device) is None
    return "compile" if compiles else "eager", "bfloat16" if half_precision_pays(device) else "float32"


def check_mode(mode: str, device: torch.device) -> None:
    """Refuses an unknown mode, and compilation where there is no compiler.

    Raises:
        InputError: See above.
    """
    if mode not in ("eager", "compile"):
        raise InputError(f"optimize: mode={mode!r}, expected 'eager' or 'compile'")
    lack = missing_compiler(device) if mode == "compile" else None
    if lack is not None:
        raise InputError(f"optimize: mode='compile' needs a compiler: {lack}; mode='eager' needs none")


def missing_compiler(device: torch.device) -> str | None:
    """What torch.compile lacks on this machine; None: nothing."""
    if device.type == "cuda":
        from torch.utils._triton import has_triton

        return None if has_triton() else "Triton is not installed, or the GPU is too old for it"
    try:
        from torch._inductor.cpp_builder import get_cpp_compiler

        get_cpp_compiler()
    except Exception as error:  # torch raises errors of its own that are not public
        return " ".join(str(error).split())[:120] or "no C++ compiler was found"
    return None


def half_precision_pays(device: torch.device) -> bool:
    """Whether this device multiplies bfloat16 matrices faster than float32 ones; some CPUs are several times slower."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return device.type == "cpu" and any(getattr(torch.cpu, name, lambda: False)() for name in names)


def _checked_type(dtype: str | None, device: torch.device) -> torch.dtype | None:
    if dtype is not None and dtype not in get_args(Precision):
        raise InputError(f"optimize: dtype={dtype!r}, expected 'float32', 'bfloat16' or 'float16'")
    if dtype == "float16" and device.type != "cuda":
        raise InputError("optimize: dtype='float16' runs on CUDA only; take 'bfloat16'")
    return None if dtype in (None, "float32") else getattr(torch, dtype)


def _pairs(model: nn.Module) -> Iterator[tuple[nn.Conv2d, nn.BatchNorm2d, nn.Module, str]]:
    """Convolutions whose only reader is the batch norm after them: (convolution, norm, the norm's holder and name)."""
    for module in list(model.modules()):
        if isinstance(module, ConvNormReLU) and isinstance(module.norm, nn.BatchNorm2d):
            yield module.conv, module.norm, module, "norm"
        if type(module) is nn.Sequential:
            for index in range(len(module) - 1):
                first, second = module[index], module[index + 1]
                if type(first) is nn.Conv2d and isinstance(second, nn.BatchNorm2d):
                    yield first, second, module, str(index + 1)


def _fold(convolution: nn.Conv2d, norm: nn.BatchNorm2d, holder: nn.Module, name: str) -> bool:
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        return False
    # In float64: folded once, used for ever.
    scale = (variance.double() + norm.eps).rsqrt()
    shift = -mean.double() * scale
    if norm.weight is not None:
        scale, shift = scale * norm.weight.double(), shift * norm.weight.double() + norm.bias.double()
    old: Tensor | None = convolution.bias
    if old is not None:
        shift = shift + old.double() * scale
    weight = convolution.weight
    folded = weight.double() * scale[:, None, None, None]
    convolution.weight = nn.Parameter(folded.to(weight.dtype), requires_grad=False)
    convolution.bias = nn.Parameter(shift.to(weight.dtype), requires_grad=False)
    setattr(holder, name, nn.Identity())
    return True
