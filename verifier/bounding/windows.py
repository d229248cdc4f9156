"""Coefficients of rows that see only a window of an image: convolutions keep them small.

A row that starts at one entry of a feature map reaches, through convolutions, a rectangle of the maps before. Only that
rectangle is stored and moved, which for a convolution is the transposed convolution of a small image. Entries outside
the node (where windows hang over its border) mean nothing: whoever reads them reads zero.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from verifier.bounding.coefficient import Coefficient
from verifier.graph.op import Affine
from verifier.graph.ops.conv import Conv, ConvTranspose, convolved, transposed
from verifier.graph.ops.dense import Scale, Shift, Sum
from verifier.graph.ops.shape import Concat, Gather, Pad
from verifier.numerics import flat
from verifier.relaxations.relaxation import Lines, Relaxation

Span = tuple[tuple[int, int], tuple[int, int]]  # least and greatest origin, for both axes


@dataclass(frozen=True, eq=False)
class Windows(Coefficient):
    """`values (S, B, D, C, h, w)` over a node of shape `(1, C, H, W)`; `origin (S, B, 2)` is where a window begins.

    `D` is 1, or 2 once the rows' negatives are carried too. `clean`: what hangs over the border is zero.
    """

    values: Tensor
    origin: Tensor
    span: Span
    shape: torch.Size
    clean: bool = False

    @classmethod
    def units(cls, index: Tensor, shape: torch.Size, like: Tensor) -> "Windows":
        """Row `s` of input `b` is entry `index[s, b]` of the flattened node."""
        _, channels, height, width = shape
        values = functional.one_hot(index // (height * width), channels).to(like)
        place = index % (height * width)
        origin = torch.stack([place // width, place % width], dim=2)
        return cls(values[:, :, None, :, None, None], origin, ((0, height - 1), (0, width - 1)), shape)

    def gather(self, x: Tensor) -> Tensor:
        """The windows' part of `x (B, 1, C, H, W)` or `(1, 1, C, H, W)`, zero outside: `(S, B, 1, C, h, w)`."""
        (top, bottom), (left, right) = self._overhang()
        padded = functional.pad(x[:, 0], (left, right, top, bottom))
        views = padded.unfold(2, self.values.shape[-2], 1).unfold(3, self.values.shape[-1], 1)
        which = torch.arange(len(x), device=x.device)
        where = (self.origin[..., 0] + top, self.origin[..., 1] + left)
        return views[which.expand(self.origin.shape[:2]), :, *where].unsqueeze(2)

    def dense(self) -> Tensor:
        (top, bottom), (left, right) = self._overhang()
        _, _, height, width = self.shape
        high, wide = height + top + bottom, width + left + right
        at = self.origin + torch.tensor([top, left], device=self.origin.device)
        out = self._placed(self.values, at, (high, wide))[..., top : top + height, left : left + width]
        return self._rows(out).unsqueeze(2)

    def dot(self, x: Tensor) -> Tensor:
        return self._contract(self.values, x)

    def magnitude_dot(self, x: Tensor) -> Tensor:
        return self._contract(self.values.abs(), x)

    def reach(self, x: Tensor) -> Tensor:
        return self._rows(torch.linalg.vector_norm(self.values.flatten(3), 1, dim=3)) * flat(x, 1).amax(1)

    def through(self, op: Affine, shapes: Sequence[torch.Size]) -> tuple[Coefficient, ...]:
        match op:
            case Conv() if self._stays_small(op, shapes[0]):
                return (self._convolved(op, shapes[0]),)
            case Shift() if shapes[0] == self.shape:
                return (self,)
            case Scale() if shapes[0] == self.shape:
                return (replace(self, values=self.values * self.gather(op.weight.expand(1, *self.shape)), clean=True),)
            case Sum() if all(shape == self.shape for shape in shapes):
                return tuple(self if sign > 0 else replace(self, values=-self.values) for sign in op.signs)
            case Concat(axis=1) if all(shape[0] == 1 and shape[2:] == self.shape[2:] for shape in shapes):
                parts = self.values.split([shape[1] for shape in shapes], dim=3)
                return tuple(replace(self, values=v, shape=shape) for v, shape in zip(parts, shapes, strict=True))
            case ConvTranspose() if self._grows_back(op, shapes[0]):
                return (self._deconvolved(op, shapes[0]),)
            case Gather(axis=2 | 3) if (grown := repeating(op, shapes[0], self.values)) is not None:
                return self.through(grown, shapes)
            case Pad(pads=((0, 0), (0, 0), (top, _), (left, _))):
                origin = self.origin - torch.tensor([top, left], device=self.origin.device)
                span = moved(self.span, (1, 1), (top, left))
                return (Windows(self._inside(), origin, span, shapes[0]),)
        return super().through(op, shapes)

    def relax(self, relaxation: Relaxation, lines: Lines) -> tuple[Coefficient, Tensor]:
        slopes = lines.slopes
        if slopes.lower.dim() != 5 or slopes.lower.shape[1:] != self.shape:
            return super().relax(relaxation, lines)
        down = self.values.clamp(max=0)
        constant = self.values.new_zeros(len(self.values) * self.values.shape[2], self.values.shape[1])
        if lines.greatest is not None:
            constant = constant + self._contract(down, lines.greatest)
        if lines.least is not None:
            constant = constant + self._contract(self.values - down, lines.least)
        lower, rise = self.gather(slopes.lower), self.gather(slopes.upper - slopes.lower)
        return replace(self, values=torch.addcmul(self.values * lower, down, rise), clean=True), constant

    def plus(self, other: Coefficient) -> Coefficient:
        """Windows that begin close to each other have a common frame, by row where their distance varies."""
        if isinstance(other, Windows) and other.values.shape[:3] == self.values.shape[:3]:
            distance = other.origin - self.origin
            least, most = distance.amin((0, 1)).tolist(), distance.amax((0, 1)).tolist()
            if least == most:
                return self._framed(other, least)
            room = [n + far - near for n, near, far in zip(other.values.shape[-2:], least, most, strict=True)]
            if room[0] * room[1] < self.shape[2] * self.shape[3]:
                values = other._placed(other.values, distance - distance.amin((0, 1)), (room[0], room[1]))
                return self._framed(replace(other, values=values), least)
        return super().plus(other)

    def with_negative(self) -> Coefficient:
        return replace(self, values=torch.cat([self.values, -self.values], dim=2))

    def _contract(self, values: Tensor, x: Tensor) -> Tensor:
        """`sum(values * x)` as one small matrix product a row: `(D * S, B)`."""
        return self._rows((values.flatten(3) @ self.gather(x).flatten(3).transpose(2, 3)).squeeze(3))

    @staticmethod
    def _rows(x: Tensor) -> Tensor:
        """`(S, B, D, *)` to `(D * S, B, *)`: first all rows, then their negatives."""
        return x.movedim(2, 0).flatten(0, 1)

    def _framed(self, other: "Windows", distance: list[int]) -> "Windows":
        first = [min(0, d) for d in distance]
        ends = [
            max(n, d + m) for n, d, m in zip(self.values.shape[-2:], distance, other.values.shape[-2:], strict=True)
        ]
        total = fitted(self.values, [-f for f in first], [e - f for e, f in zip(ends, first, strict=True)])
        total = total + fitted(
            other.values,
            [d - f for d, f in zip(distance, first, strict=True)],
            [e - f for e, f in zip(ends, first, strict=True)],
        )
        origin = self.origin + torch.tensor(first, device=self.origin.device)
        span = moved(self.span, (1, 1), (-first[0], -first[1]))
        return Windows(total, origin, span, self.shape, self.clean and other.clean)

    @staticmethod
    def _placed(values: Tensor, at: Tensor, size: tuple[int, int]) -> Tensor:
        """`values (S, B, D, C, h, w)` in larger windows of zeros, each at its own place `at (S, B, 2)`."""
        height, width = values.shape[-2:]
        rows = at[..., 0, None] + torch.arange(height, device=at.device)
        columns = at[..., 1, None] + torch.arange(width, device=at.device)
        place = (rows[..., :, None] * size[1] + columns[..., None, :]).flatten(2)[:, :, None, None]
        flat = values.flatten(-2)
        out = flat.new_zeros(*flat.shape[:-1], size[0] * size[1]).scatter(-1, place.expand_as(flat), flat)
        return out.unflatten(-1, size)

    def _overhang(self) -> Span:
        """How far windows hang over the border: before and after, for both axes."""
        sizes = zip(self.span, self.values.shape[-2:], self.shape[2:], strict=True)
        (top, bottom), (left, right) = ((max(0, -lo), max(0, hi + n - size)) for (lo, hi), n, size in sizes)
        return (top, bottom), (left, right)

    def _inside(self) -> Tensor:
        """The values, zero where they hang over the border: there they belong to no output, but may meet an input."""
        if self.clean or all(pair == (0, 0) for pair in self._overhang()):
            return self.values
        return self.values * self.gather(self.values.new_ones(1, 1, 1, *self.shape[2:]))

    def _stays_small(self, op: Conv, shape: torch.Size) -> bool:
        """Is the next window smaller than the whole map?"""
        if op.weight.dim() != 4 or shape[0] != 1:
            return False
        h, w = self._size(op)
        return h * w < shape[2] * shape[3]

    def _size(self, op: Conv) -> list[int]:
        return [
            (n - 1) * s + d * (k - 1) + 1
            for n, s, d, k in zip(self.values.shape[-2:], op.stride, op.dilation, op.weight.shape[2:], strict=True)
        ]

    def _convolved(self, op: Conv, shape: torch.Size) -> "Windows":
        values = self._inside()
        out = transposed(values.flatten(0, 2), op.weight, op.stride, (0, 0), (0, 0), op.groups, op.dilation)
        steps = torch.tensor(op.stride, device=self.origin.device)
        origin = self.origin * steps - torch.tensor(op.padding, device=self.origin.device)
        span = moved(self.span, (op.stride[0], op.stride[1]), (op.padding[0], op.padding[1]))
        return Windows(out.unflatten(0, values.shape[:3]), origin, span, shape)

    def _grows_back(self, op: ConvTranspose, shape: torch.Size) -> bool:
        """As `_stays_small`, for the argument of a transposed convolution."""
        if op.weight.dim() != 4 or shape[0] != 1:
            return False
        h, w = ((frame - reach) // s + 1 for frame, reach, s in self._frames(op))
        return h * w < shape[2] * shape[3]

    def _frames(self, op: ConvTranspose) -> list[tuple[int, int, int]]:
        """For both axes: room for a window at any phase of the stride with all kernels that touch it, the kernel's
        reach, the stride."""
        sizes = zip(self.values.shape[-2:], op.stride, op.dilation, op.weight.shape[2:], strict=True)
        found = []
        for n, s, d, k in sizes:
            reach = d * (k - 1) + 1
            found.append((n + 2 * (reach - 1) + s - 1, reach, s))
        return found

    def _deconvolved(self, op: ConvTranspose, shape: torch.Size) -> "Windows":
        """A strided convolution; windows are moved to a common phase of the stride before."""
        frames = self._frames(op)
        back = tuple(reach - 1 - p for (_, reach, _), p in zip(frames, op.padding, strict=True))
        steps = torch.tensor(op.stride, device=self.origin.device)
        first = self.origin - torch.tensor(back, device=self.origin.device)  # where the first kernel begins
        origin = first.div(steps, rounding_mode="floor")
        phase = first - origin * steps
        phase = phase + torch.tensor([reach - 1 for _, reach, _ in frames], device=phase.device)
        framed = self._placed(self._inside(), phase, (frames[0][0], frames[1][0]))
        out = convolved(framed.flatten(0, 2), op.weight, None, op.stride, (0, 0), op.dilation, op.groups)
        span = tuple(
            ((low - b) // s, (high - b) // s) for (low, high), b, s in zip(self.span, back, op.stride, strict=True)
        )
        return Windows(out.unflatten(0, framed.shape[:3]), origin, (span[0], span[1]), shape)


def repeating(op: Gather, shape: torch.Size, like: Tensor) -> ConvTranspose | None:
    """The transposed convolution that repeats each row or column of a map of `shape` as often as `op` does, if all that
    it does is this: nearest resizing."""
    size, count = shape[op.axis], op.index.numel()
    factor = count // max(size, 1)
    if shape[0] != 1 or op.index.dim() != 1 or not size or count != factor * size:
        return None
    if not torch.equal(op.index, torch.arange(size, device=op.index.device).repeat_interleave(factor)):
        return None
    step = (factor, 1) if op.axis == 2 else (1, factor)
    weight = like.new_ones(shape[1], 1, *step)
    return ConvTranspose(weight, None, step, (0, 0), (0, 0), (1, 1), shape[1])


def moved(span: Span, stride: tuple[int, int], back: tuple[int, int]) -> Span:
    """The span of `origin * stride - back`."""
    (top, bottom), (left, right) = span
    return (
        (top * stride[0] - back[0], bottom * stride[0] - back[0]),
        (left * stride[1] - back[1], right * stride[1] - back[1]),
    )


def fitted(values: Tensor, before: list[int], size: list[int]) -> Tensor:
    """`values` placed in a larger window of zeros."""
    after = [n - b - m for n, b, m in zip(size, before, values.shape[-2:], strict=True)]
    return functional.pad(values, (before[1], after[1], before[0], after[0]))
