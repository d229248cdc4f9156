"""Our Adam makes the steps of torch's own."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier.bounding.adam import Adam


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**20), st.floats(0.001, 0.5), st.sampled_from([(0.3, 0.99), (0.9, 0.999), (0.0, 0.9)]))
def test_steps_are_those_of_torch(seed, rate, betas):
    made = torch.Generator().manual_seed(seed)
    first, second = (torch.randn(5, generator=made, dtype=torch.float64) for _ in range(2))
    pulls = torch.randn(6, 5, generator=made, dtype=torch.float64)

    def objective(a, b, pull):
        return (pull * a).sum() - (a * b).square().sum() + b.sin().sum()

    ours = [first.clone().requires_grad_(), second.clone().requires_grad_()]
    theirs = [first.clone().requires_grad_(), second.clone().requires_grad_()]
    adam = Adam(ours, betas)
    reference = torch.optim.Adam(
        [{"params": theirs[:1], "lr": rate}, {"params": theirs[1:], "lr": 2 * rate}], betas=betas, maximize=True
    )
    for pull in pulls:
        adam.step(objective(*ours, pull), [rate, 2 * rate])
        reference.zero_grad()
        objective(*theirs, pull).backward()
        reference.step()
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


def test_leaves_that_play_no_part_stay():
    used, unused = torch.ones(2, requires_grad=True), torch.ones(3, requires_grad=True)
    Adam([used, unused], (0.9, 0.99)).step(used.sum(), [0.5, 0.5])
    assert torch.equal(unused.detach(), torch.ones(3))
    torch.testing.assert_close(used.detach(), torch.full((2,), 1.5))
