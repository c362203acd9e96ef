"""Public data that nobody here tuned to, as lines for `evaluation judge`, `evaluation processes` and `peers.py`.

Clone the repositories named below side by side into a folder, then

    python held_out.py FOLDER series > series.txt
    python held_out.py FOLDER processes > processes.txt

A line of series is a set, where its steps are, its values: `a,b|c` are two people's steps, `a-b` is a
place anywhere between. A line of processes is a benchmark, then the samples of each process.
"""

import json
import random
import statistics
import subprocess
import sys
from datetime import datetime
from pathlib import Path

JMH = "icpe-data-challenge-jmh"  # SEALABQualityGroup
TCPD = "TCPD"  # alan-turing-institute
NAB = "NAB"  # numenta
NUMPY = "numpy-bench"  # pv
TALOS = "treeherder"  # mozilla

# What Treeherder's own tests expect its detector to find in real histories.
TALOS_ALERTS = {
    "runs1": [1365019665],
    "runs2": [1357704596, 1358971894, 1365014104],
    "runs3": [1335293827, 1338839958],
    "runs4": [1364922838],
    "runs5": [],
    "a11y": [1366197637, 1367799757],
    "tp5rss": [1372846906, 1373413365, 1373424974],
}


class Repository:
    def __init__(self, folder, name):
        self.folder = folder / name

    def __call__(self, *arguments):
        command = ["git", "-C", str(self.folder), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def files(self, folder, ending):
        listed = self("ls-tree", "-r", "-z", "--name-only", "HEAD", folder).split("\0")
        return sorted(name for name in listed if name.endswith(ending))

    def json(self, path):
        return json.loads(self("show", f"HEAD:{path}"))


def line(name, steps, values):
    print(f"{name};{steps};{','.join(repr(float(value)) for value in values)}")


def jmh(folder):
    repository = Repository(folder, JMH)
    for path in repository.files("timeseries", ".json"):
        yield Path(path).stem, repository.json(path)


def jmh_processes(folder):
    """Twenty iterations in a row after two thousand of warming up, of every process."""
    for name, forks in jmh(folder):
        forks = [fork[2000:2020] for fork in forks if len(fork) >= 2020]
        if len(forks) == 10 and min(map(min, forks)) > 0:
            texts = [",".join(repr(value * 1e9) for value in fork) for fork in forks]
            print(f"{name.replace(';', ',')};{'|'.join(texts)}")


def jmh_series(folder):
    """A hundred medians of twenty iterations each, from behind the first thousand."""
    chance = random.Random(1)
    for _, forks in jmh(folder):
        values = forks[0][-2000:]
        if len(values) < 2000 or min(values) <= 0:
            continue
        medians = [statistics.median(values[at : at + 20]) for at in range(0, 2000, 20)]
        line("JMH, no step, in the order of time", "", medians)
        chance.shuffle(medians)
        line("JMH, shuffled, no step", "", medians)
        at = chance.randrange(10, 90)
        for percent in (2, 5, 10):
            stepped = medians[:at] + [value * (1 + percent / 100) for value in medians[at:]]
            line(f"JMH, shuffled, +{percent}%", at, stepped)


def tcpd(folder):
    repository = Repository(folder, TCPD)
    annotations = repository.json("annotations.json")
    for path in repository.files("datasets", ".json"):
        data = repository.json(path)
        people = annotations.get(data["name"])
        if people is None or data["n_dim"] != 1:
            continue
        values = [value for value in data["series"][0]["raw"]]
        if any(value is None or value <= 0 for value in values):
            continue
        steps = "|".join(",".join(map(str, places)) for places in people.values())
        line("TCPD", steps, values)


def talos(folder):
    repository = Repository(folder, TALOS)
    for name, alerts in TALOS_ALERTS.items():
        data = repository.json(f"tests/sample_data/artifacts/performance/graphs/{name}.json")
        runs = sorted((run[2], run[3]) for run in data["test_runs"])
        times = [time for time, _ in runs]
        steps = ",".join(str(times.index(time)) for time in alerts)
        line("Talos", steps, [value for _, value in runs])


def nab(folder):
    repository = Repository(folder, NAB)
    windows = repository.json("labels/combined_windows.json")
    for path in repository.files("data", ".csv"):
        rows = [row.split(",") for row in repository("show", f"HEAD:{path}").splitlines()[1:]]
        moments = [datetime.fromisoformat(row[0]) for row in rows]
        values = [float(row[1]) for row in rows]
        if min(values) <= 0:
            continue
        places = []
        for start, end in windows[path.removeprefix("data/")]:
            start, end = datetime.fromisoformat(start), datetime.fromisoformat(end)
            inside = [at for at, moment in enumerate(moments) if start <= moment <= end]
            places.append(f"{inside[0]}-{inside[-1]}")
        kind = "made up" if "artificial" in path else "real"
        line(f"NAB, {kind}", ",".join(places), values)


def numpy(folder):
    """Every benchmark's first parameters, in the order of commits, where two hundred were measured."""
    repository = Repository(folder, NUMPY)
    histories = {}
    commits = []
    for path in repository.files("results/i7", ".json"):
        if not path.endswith(("machine.json", "benchmarks.json")):
            commits.append(repository.json(path))
    for commit in sorted(commits, key=lambda commit: commit["date"]):
        for name, result in commit["results"].items():
            found = result[0] if isinstance(result, list) else result.get("result") if result else None
            value = found[0] if isinstance(found, list) and found else found
            if isinstance(value, float) and value > 0:
                histories.setdefault(name, []).append(value)
    for name in sorted(histories):
        if len(histories[name]) >= 200:
            line("NumPy", "", histories[name])


def main():
    folder = Path(sys.argv[1])
    if sys.argv[2] == "processes":
        return jmh_processes(folder)
    wanted = sys.argv[3:]
    for read in (jmh_series, tcpd, talos, nab, numpy):
        if not wanted or read.__name__ in wanted:
            read(folder)


main()
