#!/usr/bin/env python3
"""Where data-parallel training stops scaling, and why: a model of one step, fed with what `crisol bench` measured.

  scale_study.py TRAIN.json [REDUCE.json] [--fabric NAME:LATENCY_US:GB_S]... [--micro-batches-a-rank N] [--csv]

TRAIN.json is from `mpirun -n N crisol bench train --scaling both --output TRAIN.json`; its rows at 1 ... N ranks check the
model. REDUCE.json, from `crisol bench reduce` at the same ranks, gives the cost of an addition; without it TRAIN.json's
reduction does.

The model of a step on R ranks with m micro-batches each and w workers a rank:

  compute   c * ceil(m / w)                    c: a micro-batch on one worker, measured on one rank
  report    latency * ceil(log2 R) + b*B/beta  losses and predictions of the global batch of B samples, b bytes each
  reduction 2 * n * (R-1)/R / beta             a gradient of n bytes: slices to their owners, sums to all (each rank sends
                                               and receives that much, whatever the order of the additions)
          + latency * (R-1) * (chunks + 1)     a message to each other rank for each chunk of R MiB, and for the sums;
                                               pessimistic, for messages to different ranks overlap
          + n * a                              additions and copies, a seconds a byte; from the measured reduction
  update    u                                  measured
  data      max(0, m * s / r - step)           s samples a micro-batch, r samples/s that one rank's reader delivers

Nothing overlaps, as in the program today. Strong scaling keeps the global batch (so m falls with R, and stops at one
micro-batch a rank), weak scaling keeps m.
"""
import argparse
import json
import math
import sys

CHUNK_BYTES = 1 << 20  # of a node a rank; src/reduce/reducer.c
ROW_BYTES = 16  # of a sample in the report; src/train/trainer.h
RANKS = [8, 16, 32, 64, 128, 256, 512, 1024]

# name, latency of a small message in seconds, bytes/s one way, source of both figures
FABRICS = [
    ("10 GbE, TCP", 48e-6, 0.95 * 10e9 / 8,
     "half of 96 us round trip, 95 % of the line: EC2 c3.8xlarge in a placement group, "
     "blogs.scalablelogic.com/2014/01/enhanced-networking-in-aws-cloud-part-2.html"),
    ("40 GbE, usNIC", 1.93e-6, 37.23e9 / 8,
     "half round trip and bandwidth of NetPIPE over Open MPI 1.8.1: blogs.cisco.com/performance/mpi-over-40gb-ethernet"),
    ("Cray Aries", 1.18e-6, 4194304 / 435.60e-6,
     "osu_latency 5.3.2 over Open MPI, 0 bytes and 4 MiB: gist.github.com/hppritcha/6a3acd0c192fcfd082bd543fc98e6fe6"),
]


def median(results, key):
    return results.get(key, {}).get("median", 0.0)


class Model:
    """Figures of one machine, and the step that they predict."""

    def __init__(self, train, reduce=None):
        rows = {row["ranks"]: row for row in train["weak"] + train["strong"]}
        one = min((row for row in train["strong"]), key=lambda row: row["ranks"])
        if one["ranks"] != 1:
            raise ValueError("there is no measurement on one rank: run with --scaling both")
        results = train["results"]
        self.workers = max(1, train["workers"])
        self.samples = results["micro_batch"]
        self.micro_batches = results["batch"] // results["micro_batch"]
        self.gradient = results["gradient_bytes"]
        self.compute = median(one, "compute_s") / self.rounds(self.micro_batches)
        self.update = median(one, "update_s")
        self.cores = max(1, train["host"]["cores"])
        self.rows = rows
        self.reader = 0.0  # samples/s of a rank; 0: never waited for
        measured = (reduce or train)["results"]
        ordered = median(measured if reduce else measured.get("reduction", {}), "ordered_s")
        n = (reduce or train)["ranks"]
        self.fit_host(ordered, n, (measured if reduce else measured.get("reduction", measured))["gradient_bytes"])

    def fit_host(self, ordered, ranks, gradient):
        """Between ranks of one host everything is memory: one figure a byte that is moved or added stands for all of it."""
        moved = 2 * gradient * (ranks - 1) / ranks + gradient
        self.seconds_a_byte = ordered / moved if ranks > 1 and ordered > 0 else 0.25e-9
        self.host = ("this host", 1e-6, 1 / self.seconds_a_byte, "measured")

    def rounds(self, micro_batches):
        return math.ceil(micro_batches / self.workers)

    def reduction(self, ranks, fabric):
        _, latency, bandwidth, _ = fabric
        if ranks == 1:
            return 0.0
        chunks = math.ceil(self.gradient / (CHUNK_BYTES * ranks))
        travel = 2 * self.gradient * (ranks - 1) / ranks / bandwidth
        return travel + latency * (ranks - 1) * (chunks + 1) + self.gradient * self.seconds_a_byte

    def step(self, ranks, micro_batches, fabric):
        """Seconds by phase; micro_batches: of a rank."""
        _, latency, bandwidth, _ = fabric
        batch = ranks * micro_batches * self.samples
        phases = {
            "compute": self.compute * self.rounds(micro_batches),
            "report": 0.0 if ranks == 1 else latency * math.ceil(math.log2(ranks)) + ROW_BYTES * batch / bandwidth,
            "reduction": self.reduction(ranks, fabric),
            "update": self.update,
        }
        waiting = micro_batches * self.samples / self.reader - sum(phases.values()) if self.reader else 0.0
        phases["data"] = max(0.0, waiting)
        return phases


def rate(model, ranks, micro_batches, fabric):
    return ranks * micro_batches * model.samples / sum(model.step(ranks, micro_batches, fabric).values())


def check(model, out):
    """Measured rows against the model on this host, where more workers than cores take turns: model / measured of each."""
    print(f"measured against the model, which started from the row of one rank ({model.cores} cores):", file=out)
    print(f"  {'ranks':>6} {'batch':>6} {'measured ms':>12} {'model ms':>9} {'ratio':>6}", file=out)
    ratios = []
    for ranks, row in sorted(model.rows.items()):
        micro_batches = math.ceil(row["batch"] / model.samples / ranks)
        phases = model.step(ranks, micro_batches, model.host)
        crowd = max(1.0, ranks * model.workers / model.cores)
        predicted = sum(phases.values()) + (crowd - 1) * (phases["compute"] + phases["update"])
        measured = median(row, "step_s")
        ratios.append(predicted / measured)
        print(f"  {ranks:6d} {row['batch']:6d} {1e3 * measured:12.2f} {1e3 * predicted:9.2f} {ratios[-1]:6.2f}", file=out)
    return ratios


def why(phases):
    total = sum(phases.values())
    name = max(phases, key=phases.get)
    return name, phases[name] / total


def study(model, fabric, micro_batches, out):
    """A table of 8 ... 1,024 ranks; returns, for weak scaling, the first at which less than half is computing."""
    name, latency, bandwidth, source = fabric
    print(f"\n{name}: {1e6 * latency:.2f} us, {bandwidth / 1e9:.2f} GB/s  ({source})", file=out)
    print(f"  {'ranks':>6} {'weak images/s':>14} {'efficiency':>11} {'largest phase':>20} {'strong images/s':>16} {'efficiency':>11}",
          file=out)
    one_weak = rate(model, 1, micro_batches, fabric)
    whole = micro_batches * RANKS[0]  # the global batch of strong scaling: what 8 ranks have in the weak one
    one_strong = rate(model, 1, whole, fabric)
    limit = None
    for ranks in RANKS:
        weak = rate(model, ranks, micro_batches, fabric)
        phases = model.step(ranks, micro_batches, fabric)
        part, share = why(phases)
        if limit is None and phases["compute"] < 0.5 * sum(phases.values()):
            limit = ranks
        strong, efficiency = f"{'-':>16}", f"{'-':>11}"
        if ranks <= whole:
            strong_rate = whole * model.samples / sum(model.step(ranks, math.ceil(whole / ranks), fabric).values())
            strong, efficiency = f"{strong_rate:16.1f}", f"{100 * strong_rate / one_strong / ranks:10.0f} %"
        print(f"  {ranks:6d} {weak:14.1f} {100 * weak / one_weak / ranks:10.0f} % {part + f' {100 * share:.0f} %':>20} {strong} {efficiency}",
              file=out)
    print(f"  more than half of a step is not computing from {limit} ranks on" if limit else
          f"  up to {RANKS[-1]} ranks more than half of a step is computing", file=out)
    return limit


def parse_fabric(text):
    name, latency, bandwidth = text.rsplit(":", 2)
    return (name, float(latency) * 1e-6, float(bandwidth) * 1e9, "given")


def load(path, kind):
    with open(path, encoding="utf-8") as file:
        bench = json.load(file)
    if bench.get("bench_format") != 1 or bench.get("kind") != kind:
        raise ValueError(f"{path}: no benchmark of kind {kind}")
    return bench


def main(arguments=None, out=sys.stdout):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("train")
    parser.add_argument("reduce", nargs="?")
    parser.add_argument("--fabric", action="append", type=parse_fabric, default=[], metavar="NAME:LATENCY_US:GB_S")
    parser.add_argument("--micro-batches-a-rank", type=int, default=0, help="default: as many as were measured on one rank")
    parser.add_argument("--loader", help="JSON of `crisol bench loader`: then reading is in the model, too")
    options = parser.parse_args(arguments)
    model = Model(load(options.train, "train"), load(options.reduce, "reduce") if options.reduce else None)
    if options.loader:
        model.reader = load(options.loader, "loader")["results"]["images_s_rank"]
    micro_batches = options.micro_batches_a_rank or model.micro_batches
    print(f"a gradient of {model.gradient / 1e6:.1f} MB; a micro-batch of {model.samples} in {1e3 * model.compute:.2f} ms; "
          f"{micro_batches} micro-batches a rank on {model.workers} workers\n", file=out)
    check(model, out)
    for fabric in FABRICS + options.fabric:
        study(model, fabric, micro_batches, out)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (ValueError, OSError, KeyError) as error:
        sys.exit(f"scale_study.py: {error}")
