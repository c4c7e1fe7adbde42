"""First convolutions for another number of channels."""

from torch import Tensor

CONVERTIBLE = (1, 3)
"""Numbers of channels whose meaning is known: grey, and red, green, blue."""


def convert_channels(kernel: Tensor, channels: int) -> Tensor:
    """A first convolution of grey or RGB images for another number of channels.

    One channel gets the sum over the stored ones, which is what they give for a grey image. More channels repeat the
    stored ones in their order (red, green, blue, red ...), scaled by stored / wanted, which keeps their total strength.

    Args:
        kernel: [D, C, height, width]; half precision is computed in float32.
        channels: The wanted number.

    Returns:
        [D, channels, height, width], float32 or float64. The kernel itself where the number is the same, or where the
        stored one is neither 1 nor 3: nothing says what such channels are.
    """
    stored = kernel.shape[1]
    if stored == channels or stored not in CONVERTIBLE:
        return kernel
    if kernel.element_size() < 4:
        kernel = kernel.float()
    if channels == 1:
        return kernel.sum(1, keepdim=True)
    return kernel.repeat(1, -(-channels // stored), 1, 1)[:, :channels] * (stored / channels)
