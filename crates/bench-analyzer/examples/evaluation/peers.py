"""Other detectors on the series that `evaluation series` or `held_out.py` prints.

    python -m venv peers && peers/bin/pip install apache-otava asv ruptures
    python -m venv mongodb && mongodb/bin/pip install signal-processing-algorithms
    cargo run -p bench-analyzer --example evaluation -- series > series.txt
    peers/bin/python crates/bench-analyzer/examples/evaluation/peers.py series.txt 60
    mongodb/bin/python crates/bench-analyzer/examples/evaluation/peers.py series.txt 60

Runs whatever is installed: the first and the last want different versions of NumPy. The number says
how many series of each kind are looked at. A third argument, a regular expression, chooses detectors.
"""

import logging
import re
import sys
from collections import defaultdict
from importlib import import_module, metadata

import numpy

CLOSE = 5
E_DIVISIVE = "signal_processing_algorithms.energy_statistics.energy_statistics"


def otava(values):
    analysis = import_module("otava.analysis")
    points, _ = analysis.compute_change_points(list(values))
    return [point.index for point in points]


def otava_e_divisive(values):
    analysis = import_module("otava.analysis")
    points, _ = analysis.compute_change_points_orig(list(values), max_pvalue=0.01, seed=1)
    return [point.index for point in points]


def mongodb(values):
    numpy.random.seed(1)
    return import_module(E_DIVISIVE).e_divisive(list(values), pvalue=0.01, permutations=100)


def asv(values):
    steps = import_module("asv.step_detect").detect_steps(list(values))
    return [step[0] for step in steps[1:]]


def pelt(values):
    logs = numpy.log(values)
    penalty = 3 * numpy.log(len(logs)) * logs.var()
    if penalty <= 0:
        return []
    ruptures = import_module("ruptures")
    found = ruptures.Pelt(model="l2", min_size=4, jump=1).fit(logs).predict(pen=penalty)
    return found[:-1]


DETECTORS = {
    "Apache Otava": ("apache-otava", otava),
    "Apache Otava's e-divisive, p < .01": ("apache-otava", otava_e_divisive),
    "MongoDB's e-divisive, p < .01": ("signal-processing-algorithms", mongodb),
    "asv": ("asv", asv),
    "ruptures, PELT, L2, 3 log n, global variance": ("ruptures", pelt),
}


def installed(choice):
    for name, (package, find) in DETECTORS.items():
        try:
            version = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
        if re.search(choice, name):
            yield f"{name} ({version})", find


def near(place, found):
    start, end = place
    return start - CLOSE <= found <= end + CLOSE


def places(text):
    """Two people's steps are `a,b|c`; `a-b` is anywhere between."""
    ends = [place.split("-") for place in text.split(",") if place]
    return [(int(place[0]), int(place[-1])) for place in ends]


def judge(people, found):
    """The share of steps that are found, F1 as `held_out.rs` has it, and how many points are no steps."""

    def hits(steps):
        return sum(any(near(step, one) for one in found) for step in steps)

    named = [step for steps in people for step in steps]
    right = sum(any(near(step, one) for step in named) for one in found)
    precision = (right + 1) / (len(found) + 1)
    recall = sum((hits(steps) + 1) / (len(steps) + 1) for steps in people) / len(people)
    share = hits(named) / len(named) if named else None
    return share, 2 * precision * recall / (precision + recall), len(found) - right


def main():
    logging.disable(logging.WARNING)
    sets = defaultdict(list)
    for line in open(sys.argv[1]):
        name, steps, values = line.rstrip("\n").split(";")[-3:]
        people = [places(text) for text in steps.split("|")]
        sets[name].append((people, numpy.array([float(value) for value in values.split(",")])))
    most = int(sys.argv[2]) if len(sys.argv) > 2 else None
    detectors = list(installed(sys.argv[3] if len(sys.argv) > 3 else ""))
    for name, samples in sets.items():
        samples = samples[:most]
        for detector, find in detectors:
            judged = [judge(people, list(find(values))) for people, values in samples]
            found = [share for share, _, _ in judged if share is not None]
            share = f"{numpy.mean(found):.2f}" if found else ""
            f1 = numpy.mean([f1 for _, f1, _ in judged])
            others = numpy.mean([others for _, _, others in judged])
            row = f"| {name} ({len(samples)}) | {detector} | {share} | {f1:.2f} | {others:.3f} |"
            print(row, flush=True)


main()
