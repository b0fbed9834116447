from torch import nn

from methods.networks.layers import Encoder


def mnistnet(shape: tuple[int, ...]) -> nn.Module:
    """JMLR 2016's network for MNIST-M: conv 32 and 48, each ReLU and pooling. For 28x28.

    The paper draws it (figure 4a); sizes are those of its re-implementations. Its label classifier is
    ``head_layers = [100, 100]``, its domain classifier ``discriminator_layers = [100]``.
    """
    blocks = [nn.Conv2d(shape[0], 32, 5), nn.ReLU(), nn.MaxPool2d(2)]
    blocks += [nn.Conv2d(32, 48, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    rows, columns = (((side - 4) // 2 - 4) // 2 for side in shape[1:])
    return Encoder(*blocks, out_features=48 * rows * columns)
