"""A depthwise convolution that trains quickly on CPUs too.

The same numbers by other roads, in training only; in evaluation, and so in every export, it is the
plain convolution. Measured on AMX cores in bf16, 32 pictures: the input gradient of a stride of two
takes oneDNN 116 ms, the gradient of a stride of one with every second place left out 3 ms.
"""

from torch import Tensor, nn
from torch.nn.functional import conv2d

__all__ = ["Depthwise"]


class Depthwise(nn.Conv2d):
    """One filter per channel, or per group of channels where `groups` are fewer."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or x.device.type != "cpu":
            return super().forward(x)
        if self._covers(x):
            return (x * self.weight[:, 0]).sum((2, 3), keepdim=True)
        if self.stride == (2, 2):
            whole = conv2d(x, self.weight, self.bias, 1, self.padding, 1, self.groups)
            return whole[..., ::2, ::2]
        return super().forward(x)

    def _covers(self, x: Tensor) -> bool:
        """Whether the filter sees the whole map at once: a weighted sum then."""
        single = self.groups == self.in_channels == self.out_channels
        return single and x.shape[2:] == self.kernel_size and self.padding == (0, 0)
