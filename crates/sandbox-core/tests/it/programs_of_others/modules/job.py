import csv, hashlib, json, os, sys, tempfile
from collections import defaultdict
from pathlib import Path

work = Path(sys.argv[1])
with open(work / "orders.csv", newline="") as file:
    orders = list(csv.DictReader(file))
print(len(orders), "orders")
totals = defaultdict(float)
for order in orders:
    totals[order["item"]] += int(order["count"]) * float(order["price"])
for item, total in sorted(totals.items()):
    print(item, f"{total:.2f}")
out = work / "out"
out.mkdir()
(out / "draft.json").write_text(json.dumps(totals))
os.replace(out / "draft.json", out / "totals.json")
for line in ["first", "second"]:
    with open(out / "log.txt", "a") as log:
        log.write(line + "\n")
print(sorted(entry.name + "/" * entry.is_dir() for entry in os.scandir(work)))
for folder, _, files in os.walk(out):
    print(os.path.basename(folder) + ":", ", ".join(sorted(files)))
try:
    open(work / "none")
except OSError as error:
    print(type(error).__name__, error.errno)
try:
    os.mkdir(out)
except OSError as error:
    print(type(error).__name__, error.errno)
print("sha256", hashlib.sha256(b"foo").hexdigest()[:8])
with tempfile.TemporaryDirectory(dir=work) as temporary:
    os.makedirs(temporary + "/a/b")
    Path(temporary, "a/b/file").write_bytes(bytes(100_000))
    assert os.stat(temporary + "/a/b/file").st_size == 100_000
print("removed" if not os.path.exists(temporary) else temporary)
