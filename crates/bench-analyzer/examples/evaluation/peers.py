"""Other detectors on the series that `evaluation series` prints.

    python -m venv peers && peers/bin/pip install apache-otava asv ruptures numpy
    cargo run -p bench-analyzer --example evaluation -- series > series.txt
    peers/bin/python crates/bench-analyzer/examples/evaluation/peers.py series.txt 60

The number says how many series of each kind are looked at; e-divisive takes long.
"""

import sys
from collections import defaultdict

import numpy
import ruptures
from asv import step_detect
from otava.analysis import compute_change_points, compute_change_points_orig

CLOSE = 5


def otava(values):
    points, _ = compute_change_points(list(values))
    return [point.index for point in points]


def e_divisive(values):
    points, _ = compute_change_points_orig(list(values), max_pvalue=0.01, seed=1)
    return sorted(point.index for point in points)


def asv(values):
    steps = step_detect.detect_steps(list(values))
    return [step[0] for step in steps[1:]]


def pelt(values):
    logs = numpy.log(values)
    penalty = 3 * numpy.log(len(logs)) * logs.var()
    if penalty <= 0:
        return []
    found = ruptures.Pelt(model="l2", min_size=4, jump=1).fit(logs).predict(pen=penalty)
    return found[:-1]


DETECTORS = {
    "Apache Otava": otava,
    "e-divisive, p < .01": e_divisive,
    "asv": asv,
    "ruptures, PELT, L2, 3 log n, global variance": pelt,
}


def main():
    sets = defaultdict(list)
    for line in open(sys.argv[1]):
        name, steps, values = line.rstrip("\n").split(";")
        truth = [int(step) for step in steps.split(",") if step]
        sets[name].append((truth, numpy.array([float(value) for value in values.split(",")])))
    most = int(sys.argv[2]) if len(sys.argv) > 2 else None
    for name, samples in sets.items():
        samples = samples[:most]
        for detector, find in DETECTORS.items():
            hits = others = steps = 0
            for truth, values in samples:
                found = list(find(values))
                near = [place for place in truth if any(abs(place - one) <= CLOSE for one in found)]
                hits += len(near)
                steps += len(truth)
                others += max(0, len(found) - len(near))
            share = f"{hits / steps:.2f}" if steps else ""
            print(f"| {name} | {detector} | {share} | {others / len(samples):.3f} |", flush=True)


main()
