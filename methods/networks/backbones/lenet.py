from torch import nn

from methods.networks.layers import Dropout, Encoder


def lenet(shape: tuple[int, ...], dropout: Dropout = 0.5) -> nn.Module:
    """The digits network of CDAN (Long et al. 2018) and TLlib: conv 20 and 50, FC 500. For 28x28.

    ReLU follows the pooling, as there; the dropout before the second pooling drops whole channels.
    """
    convolutions = [nn.Conv2d(shape[0], 20, 5), nn.MaxPool2d(2), nn.ReLU()]
    convolutions += [nn.Conv2d(20, 50, 5), nn.Dropout2d(dropout), nn.MaxPool2d(2), nn.ReLU()]
    rows, columns = (((side - 4) // 2 - 4) // 2 for side in shape[1:])
    dense = [nn.Flatten(), nn.Linear(50 * rows * columns, 500), nn.ReLU(), nn.Dropout(dropout)]
    return Encoder(*convolutions, *dense, out_features=500)
