"""Savings by sparsity in SEVit: locations, tokens, operations and time of each rate against a dense transformer.

The time is that of one step, forward and backward, on random clips, all rates in turn.
Run: uv run python benchmarks/sevit_sparsity.py [--config small] [--clips 16] [--rounds 7] [--device cpu]
"""

import argparse
from collections.abc import Callable

import torch
from _timing import interleaved, print_ratios
from merbench.methods.medn.config import Config, kept_locations
from merbench.methods.medn.sevit import SEVit
from torch.utils.flop_counter import FlopCounterMode

from merbench.engine.plan.catalogue import METHODS


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", default="small")
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)
    base = METHODS.get("medn").resolve(options.config)
    assert isinstance(base, Config)
    kinds: dict[str, dict[str, object]] = {f"rate {rate:g}": {"rates": (rate,)} for rate in (0.0, 0.25, 0.5, 0.75)}
    kinds |= {"all three": {}, "joint attention, rate 0": {"rates": (0.0,), "time": "joint"}}
    kinds |= {"joint attention, rate 0.75": {"rates": (0.75,), "time": "joint"}}
    channels = 3 if base.colour == "rgb" else 1
    frames = torch.rand(options.clips, base.frames, channels, base.frame_size, base.frame_size, device=options.device)
    steps: dict[str, Callable[[], object]] = {}
    print(f"SEVit of medn:{options.config}, {base.frames} frames of {base.grid} x {base.grid} locations, per clip")
    print(f"{'':<28}{'locations kept':>15}{'tokens after selection':>24}{'MFLOP forward':>15}")
    for name, change in kinds.items():
        config = base.model_copy(update=change)
        net = SEVit(config).to(options.device).train()
        counter = FlopCounterMode(display=False)
        with counter:
            net(frames)
        kept = [kept_locations(config.grid**2, rate) for rate in config.rates]
        tokens = sum(1 + count * (1 if config.time == "folded" else config.frames) for count in kept)
        flops = counter.get_total_flops() / options.clips / 1e6
        print(f"{name:<28}{' + '.join(map(str, kept)):>15}{tokens:>24}{flops:>15.1f}")
        steps[name] = _step(net, frames)
    print(f"\none step of {options.clips} clips, one thread on a CPU")
    print_ratios(interleaved(steps, options.rounds), "rate 0")


def _step(net: SEVit, frames: torch.Tensor) -> Callable[[], object]:
    def step() -> None:
        net(frames).feature.square().mean().backward()
        if frames.is_cuda:
            torch.cuda.synchronize()

    return step


if __name__ == "__main__":
    main()
