"""Small networks of many kinds, each with the shape of its input."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Function(nn.Module):
    """A function as a module."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


class Cnn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(6)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(3, 2, 1, ceil_mode=True)
        self.head = nn.Linear(6 * 4 * 4, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.relu(self.norm(self.conv(x))))
        return self.head(x.view(x.size(0), -1))


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(2, 2, 3, padding="same")
        self.two = nn.Conv2d(2, 2, 4, padding="same", groups=2)
        self.fc = nn.Linear(2, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.two(F.relu(self.one(x)))
        x += F.leaky_relu(x, 0.1)
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


class Shared(nn.Module):
    """One layer used twice, one value used three times."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(5, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.fc(x).relu()
        return self.fc(y) * y - y / 3


class Normalised(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.1, 0.2, 0.3]))
        self.register_buffer("deviation", torch.tensor([0.5, 0.6, 0.7]), persistent=False)
        self.conv = nn.Conv2d(3, 2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv((x - self.mean[:, None, None]) / self.deviation[:, None, None]).sum(dim=(2, 3))


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True, activation="gelu")

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x).mean(1).softmax(-1)


class InPlaceViews(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        y = x * 2
        z = y.view(-1)
        z[1:3] = 7.0
        z[4] += 1
        return y.relu_() + 1


class WeightNorm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.utils.parametrizations.weight_norm(nn.Linear(4, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x)


def mlp() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))


def chunks(x: Tensor) -> Tensor:
    a, b = x.chunk(2, dim=1)
    c, d, _ = torch.split(x, [1, 2, 3], dim=1)
    return torch.cat([b, -a, d, torch.stack([c, c], 1).squeeze(2)], 1)


def shapes(x: Tensor) -> Tensor:
    y = x.permute(0, 2, 3, 1)[:, ::2, 1:, -1].unsqueeze(1).expand(-1, 3, -1, -1)
    y = torch.roll(y.flip(-1), 1, 2).transpose(1, 2).repeat(1, 1, 2, 1)
    return F.pad(y, (1, 0, 2, 1), value=0.5)[:, :, [0, 2, 1]] + y.mean() - x.select(1, 0).sum((0, 1, 2))


def extremes(x: Tensor) -> Tensor:
    parts = [x.amax(1), x.amin((1, 2), keepdim=True)[..., 0], x.max(dim=2, keepdim=True).values[:, :, 0]]
    return torch.cat([torch.maximum(p, p * 0.5) + torch.minimum(p, -p) for p in parts], 1).clamp(-0.5, 0.6)


def products(x: Tensor) -> Tensor:
    left, stack = torch.linspace(-1, 1, 8, dtype=x.dtype).reshape(2, 4), torch.ones(3, 5, 2, dtype=x.dtype)
    y = left @ x @ stack + torch.einsum("bij,bkj->ik", x, x)[:2, :2]
    return y + torch.baddbmm(y, x[:, :2].expand(3, -1, -1), stack) + (x[:, :, 0] @ torch.ones(4, dtype=x.dtype))


def elementwise(x: Tensor) -> Tensor:
    y = F.relu6(x * 3) + F.hardtanh(x) + x.abs() + x.sign() + x.sigmoid() + x.tanh() + F.hardsigmoid(x)
    y = y + (x * 5).round() + x.floor() + (1 - x) ** 2 + F.gelu(x) + F.silu(x) + x.exp() + (x**2 + 1).sqrt().log()
    y = y + F.elu(x) + F.softplus(x) + x.sin() * x.cos() + torch.erf(x) + 2 / (x**2 + 1) + x**3 + F.hardswish(x)
    return torch.where(x > 0, y, -x) + torch.where(torch.arange(3) == 1, x, 0.5) + x.masked_fill(x < 0, 2.0)


def pools(x: Tensor) -> Tensor:
    parts = [F.max_pool2d(x, 3, 2, 1, ceil_mode=True), F.max_pool2d(x, 2, 1, 1, dilation=2)]
    parts += [F.avg_pool2d(x, 3, 2, 1, count_include_pad=c, ceil_mode=m) for c in (True, False) for m in (True, False)]
    parts += [
        F.avg_pool2d(x, 2, divisor_override=3),
        F.adaptive_avg_pool2d(x, (2, 3)),
        F.adaptive_avg_pool2d(x, (7, 1)),
    ]
    return torch.cat([p.flatten(1) for p in parts], 1)


def resized(x: Tensor) -> Tensor:
    parts = [F.interpolate(x, scale_factor=s, mode="nearest") for s in (2, 1.7)]
    for mode in ("bilinear", "bicubic"):
        parts += [F.interpolate(x, size=(9, 5), mode=mode, align_corners=c) for c in (True, False)]
        parts += [F.interpolate(x, scale_factor=1.6, mode=mode)]
    parts += [F.pixel_shuffle(x, 2), F.unfold(x, 2), F.pad(x, (1, 2, 0, 1), mode="reflect")]
    return torch.cat([p.flatten(1) for p in parts], 1)


def normalised(x: Tensor) -> Tensor:
    y = F.layer_norm(x, x.shape[2:]) + F.group_norm(x, 2, torch.arange(4.0).to(x)) + F.instance_norm(x)
    return F.log_softmax(y.flatten(1), 1) + x.cumsum(2).flatten(1)


NETS = {
    "mlp": (mlp, (1, 3, 4)),
    "cnn": (Cnn, (1, 3, 12, 12)),
    "residual": (Residual, (1, 2, 5, 6)),
    "shared": (Shared, (1, 5)),
    "normalised input": (Normalised, (1, 3, 4, 4)),
    "attention": (Attention, (1, 3, 8)),
    "in place": (InPlaceViews, (1, 6)),
    "weight norm": (WeightNorm, (1, 4)),
    "transposed": (
        lambda: nn.Sequential(nn.ConvTranspose2d(4, 6, 3, 2, 1, output_padding=1, groups=2), nn.PReLU(6)),
        (1, 4, 3, 5),
    ),
    "one dimension": (
        lambda: nn.Sequential(
            nn.Conv1d(2, 4, 3, dilation=2), nn.BatchNorm1d(4), nn.AvgPool1d(2), nn.ConvTranspose1d(4, 1, 2)
        ),
        (1, 2, 11),
    ),
    "three dimensions": (lambda: nn.Sequential(nn.Conv3d(1, 2, 2), nn.MaxPool3d(2), nn.Flatten()), (1, 1, 5, 5, 5)),
    "no batch axis": (
        lambda: nn.Sequential(nn.Conv2d(2, 3, 2), nn.AvgPool2d(2), nn.Flatten(0), nn.Linear(12, 2)),
        (2, 5, 5),
    ),
    "chunks": (lambda: Function(chunks), (1, 6)),
    "shapes": (lambda: Function(shapes), (1, 3, 4, 5)),
    "extremes": (lambda: Function(extremes), (1, 3, 4)),
    "products": (lambda: Function(products), (1, 4, 5)),
    "elementwise": (lambda: Function(elementwise), (1, 3)),
    "pools": (lambda: Function(pools), (1, 2, 7, 8)),
    "resized": (lambda: Function(resized), (1, 4, 4, 6)),
    "normalised": (lambda: Function(normalised), (1, 4, 3, 3)),
}


def network(name: str) -> tuple[nn.Module, tuple[int, ...]]:
    """The network in float64 with random weights and statistics, in eval mode."""
    torch.manual_seed(0)
    make, shape = NETS[name]
    module = make().double()
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
    return module.eval(), shape


def close(a: Tensor, b: Tensor) -> bool:
    """Equal up to the rounding of float64."""
    return a.shape == b.shape and torch.allclose(a, b, rtol=1e-12, atol=1e-12 * float(b.abs().max()))
