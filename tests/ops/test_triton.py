"""The Triton kernels without a GPU: their numbers in Triton's interpreter, and that they compile for one."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from vit_adapter.config import InputError
from vit_adapter.ops import deformable_attention, forms
from vit_adapter.ops.deformable_attention import OPERATOR

triton = pytest.importorskip("triton", reason="Triton is not installed here")

CHECKS = {"gradcheck": 1, "opcheck": 1, "compile": 1, "autocast": 1, "export": 1, "sweep": 8}


@pytest.mark.slow
def test_kernels_in_the_interpreter():
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    file = Path(__file__).with_name("triton_interpreted.py")
    done = subprocess.run(
        [sys.executable, str(file)], env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-3000:]
    passed = [line.split()[0] for line in done.stdout.splitlines()]
    assert {name: passed.count(name) for name in CHECKS} == CHECKS


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("kernel", ["forward_kernel", "backward_kernel"])
def test_kernels_compile_for_a_gpu(kernel, dtype):
    """Down to machine code, which needs no GPU; ``libtriton`` brings the assembler."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from vit_adapter.ops import deformable_triton

    function = getattr(deformable_triton, kernel)
    value, points = torch.empty(1, 21, 6, 24, dtype=dtype), torch.empty(1, 9, 6, 2, 4, 2)
    _, arguments, constants = deformable_triton._arguments(
        value, points, torch.empty(1, 9, 1, 2), [(4, 4), (1, 5)]
    )
    constants |= {"atomic": True} if "atomic" in function.arg_names else {}
    own = {torch.float32: "*fp32", torch.bfloat16: "*bf16"}[dtype]
    pointers = {"value": own, "output": own, "gradient": own}
    pointers |= dict.fromkeys(
        ["points", "weights", "reference", "to_value", "to_points", "to_weights"], "*fp32"
    )
    signature = {
        name: "constexpr" if name in constants else pointers.get(name, "i32") for name in function.arg_names
    }
    assert len([name for name, kind in signature.items() if kind == "i32"]) == len(arguments) - 1
    made = triton.compile(ASTSource(function, signature, constants), target=GPUTarget("cuda", 80, 32))
    assert len(made.asm["cubin"]) > 0
    assert bool(re.search(r"\b(atom|red)\.", made.asm["ptx"])) == ("atomic" in constants)


@pytest.mark.skipif(torch.cuda.is_available(), reason="the form can run here")
def test_forcing_the_form_without_a_gpu_is_refused():
    with (
        pytest.raises(InputError, match=r"'triton' of deformable_attention cannot run here: there is no GPU"),
        forms(deformable_attention="triton"),
    ):
        pass


def test_without_triton_other_forms_run(monkeypatch):
    monkeypatch.setitem(sys.modules, "triton", None)
    module = sys.modules["vit_adapter.ops.deformable_attention"]  # the package's name is that of the function
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert OPERATOR.missing("triton") == "Triton is not installed"
    with pytest.raises(InputError, match="Triton is not installed"), forms(deformable_attention="triton"):
        pass
    value = torch.ones(1, 4, 1, 1)
    output = deformable_attention(
        value, [(2, 2)], torch.full((1, 1, 1, 1, 1, 2), 0.5), torch.ones(1, 1, 1, 1, 1)
    )
    assert output.item() == pytest.approx(1)
