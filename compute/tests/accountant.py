#!/usr/bin/env python3
"""Makes accountant.json: the epsilons of Google's dp-accounting on a grid of Poisson-sampled Gaussian mechanisms.

    python3 -m venv /tmp/accounting && /tmp/accounting/bin/pip install dp-accounting==0.6.0
    /tmp/accounting/bin/python compute/tests/accountant.py > compute/tests/accountant.json

Its RDP accountant with its own orders, for neighbors that differ by one record more or less. Left out are points above 10: at the
small fractional orders that decide there, dp-accounting gives up on some orders (its series does not converge) and adds the sizes of
alternating terms at others, so that its epsilon is up to 2 % larger than the divergence itself gives. And points where it gave
up on an order beside its best one.
"""
import importlib.metadata
import json
import logging
import math

from dp_accounting import dp_event
from dp_accounting.rdp import RdpAccountant


logging.getLogger("absl").setLevel(logging.ERROR)  # orders whose series does not converge are left out


def epsilon(rate, noise, steps, evaluation, delta):
    accountant = RdpAccountant()
    step = dp_event.PoissonSampledDpEvent(rate, dp_event.GaussianDpEvent(noise))
    accountant.compose(step, steps)
    if evaluation is not None:
        accountant.compose(dp_event.GaussianDpEvent(evaluation))
    value, order = accountant.get_epsilon_and_optimal_order(delta)
    best = list(accountant.orders).index(order)
    beside = accountant.rdp[max(best - 1, 0):best + 2]
    return value if all(math.isfinite(rdp) for rdp in beside) else math.inf


points = []
for rate in (0.0005, 0.004, 0.02, 0.1, 0.5, 1.0):
    for noise in (0.5, 0.8, 1.1, 2.0, 5.0, 20.0):
        for steps in (1, 20, 400, 10000):
            for evaluation, delta in ((None, 1e-6), (20.0, 1e-6), (None, 1e-5)):
                value = epsilon(rate, noise, steps, evaluation, delta)
                if 1e-4 <= value <= 10:
                    points.append({"sampling_rate": rate, "noise_multiplier": noise, "steps": steps,
                                   "evaluation_noise": evaluation, "delta": delta, "epsilon": round(value, 9)})
lines = ",\n".join("    " + json.dumps(point) for point in points)
version = importlib.metadata.version("dp-accounting")
print(f'{{\n  "made_by": "dp-accounting {version}",\n  "points": [\n{lines}\n  ]\n}}')
