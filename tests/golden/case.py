"""Reading one case file."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from .roots import read_spec


class Case:
    """Specification and tensors of a case.

    Args:
        path: The ``.safetensors`` file.
        dtype: Type in which the case is computed; weights, inputs and probes of another floating type are cast
            to it. Recorded outputs and gradients keep the type they are stored in.

    Attributes:
        spec: The specification.
        config: Constructor arguments as the official configuration spells them.
        weights: Parameters and buffers by official key.
        inputs: Inputs by name.
        outputs: Recorded outputs by name.
        probes: Factors of the outputs in the scalar behind the gradients.
        grads: Recorded gradients by official key.
        grad_inputs: Recorded gradients by name of the input.
        draws: Recorded random draws in call order.
    """

    def __init__(self, path: Path, dtype: torch.dtype = torch.float64) -> None:
        self.path, self.dtype = path, dtype
        self.spec = read_spec(path)
        self.config: dict = self.spec.get("config") or {}
        tensors = load_file(path)
        self.stored_inputs = _section(tensors, "input/")
        self.weights = self._cast(_section(tensors, "weight/"))
        self.inputs = self._cast(self.stored_inputs)
        self.probes = self._cast(_section(tensors, "probe/"))
        self.outputs = _section(tensors, "output/")
        self.grads = _section(tensors, "grad/")
        self.grad_inputs = _section(tensors, "grad_input/")
        drawn = {name: value for name, value in self.inputs.items() if name.startswith("rand.")}
        self.draws = [drawn[name] for name in sorted(drawn, key=lambda name: int(name.removeprefix("rand.")))]

    @property
    def name(self) -> str:
        """File name without suffix."""
        return self.path.stem

    @property
    def training(self) -> bool:
        """Whether the case ran in training mode."""
        return self.spec.get("mode") == "train"

    def input_list(self, name: str) -> list[Tensor]:
        """Inputs ``name.0``, ``name.1`` ... in order."""
        return _listed(self.inputs, name)

    def output_list(self, name: str) -> list[Tensor]:
        """Recorded outputs ``name.0``, ``name.1`` ... in order."""
        return _listed(self.outputs, name)

    def require_input_gradients(self) -> None:
        """Lets gradients flow into every input whose gradient is recorded."""
        for name in self.grad_inputs:
            self.inputs[name].requires_grad_(True)

    def _cast(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        # A copy in any case: the tensors of a case are compared after modules have worked on them.
        return {
            name: value.to(self.dtype, copy=True) if value.is_floating_point() else value.clone()
            for name, value in tensors.items()
        }


def _section(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _listed(tensors: dict[str, Tensor], name: str) -> list[Tensor]:
    prefix = name + "."
    numbers = sorted(
        int(key.removeprefix(prefix))
        for key in tensors
        if key.startswith(prefix) and key.removeprefix(prefix).isdigit()
    )
    return [tensors[prefix + str(number)] for number in numbers]
