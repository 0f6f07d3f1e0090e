"""Checks the JSON of `crisol bench`: check_bench.py FILE. Exits with 1 and a line for each thing that is wrong."""
import json
import math
import sys

wrong = []


def expect(condition, text):
    if not condition:
        wrong.append(text)


def near(a, b):
    return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)


def check_spread(name, spread, repetitions):
    order = [spread[key] for key in ("min", "low", "median", "high", "max")]
    expect(order == sorted(order), f"{name}: min, quartiles and max are not in order: {order}")
    expect(spread["n"] == repetitions, f"{name}: {spread['n']} values of {repetitions}")


def check_scaling(bench, kind):
    rows = bench[kind]
    size = bench["ranks"]
    expect([row["ranks"] for row in rows] == [1, 2, 3][:size], f"{kind}: ranks {[row['ranks'] for row in rows]}")
    for row in rows:
        if "images_s" in row:
            expect(near(row["speedup"], row["images_s"] / rows[0]["images_s"]), f"{kind}: speed-up")
            expect(near(row["efficiency"], row["speedup"] / row["ranks"]), f"{kind}: efficiency")
            batch = 12 if kind == "strong" else 12 * row["ranks"] // size
            expect(row["batch"] == batch, f"{kind}: batch {row['batch']} on {row['ranks']} ranks")


def check_results(bench):
    results, kind = bench["results"], bench["kind"]
    for name, value in results.items():
        if isinstance(value, dict) and "median" in value:
            check_spread(name, value, bench["repetitions"])
    if kind in ("train", "step"):
        seconds = results["step_s"]["median"] if kind == "train" else results["arithmetic_s"]
        expect(near(results["images_s"], results["batch"] / seconds), "images/s is not batch / seconds")
        expect(0 <= results["wait_share"] <= 1, "share of the data wait")
        for phase in ("wait_s", "compute_s", "reduce_s", "update_s", "report_s"):
            expect(phase in results, f"no {phase}")
        layers = [layer["layer"] for layer in results["layers"]]
        expect("head.0" in layers and results["layers"][0]["kind"] == "input", f"layers {layers}")
        expect(all(layer["forward_ms"] >= 0 for layer in results["layers"]), "a layer took less than no time")
        expect(len(results["kernels"]) > 0, "no kernels")
    if kind in ("eval", "loader"):
        n = results["samples"] if kind == "eval" else results["batch"] * results["batches"]
        expect(near(results["images_s"], n / results["pass_s"]["median"]), "images/s is not samples / seconds")
    reduction = results if kind == "reduce" else results.get("reduction")
    expect((reduction is not None) == (kind == "reduce" or (kind == "train" and bench["ranks"] > 1)), "price of order")
    if reduction:
        ordered, library = reduction["ordered_s"]["median"], reduction["library_s"]["median"]
        expect(reduction["library"] == "MPI_Allreduce" and reduction["transport"] in ("MPI", "none"), "the library's name")
        expect(near(reduction["price_s"], ordered - library), "price in seconds")
        expect(near(reduction["price_ratio"], ordered / library), "price as a ratio")
        # slices to the others, then the own slice to them: what a ring sends, once a node
        size, n = bench["ranks"], reduction["gradient_bytes"]
        expect(reduction["sent_bytes"] >= 2 * n * (size - 1) / size - 8 * size, f"sent {reduction['sent_bytes']} of {n}")


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        bench = json.load(file)
    for name in ("bench_format", "kind", "started", "command", "ranks", "nodes", "workers", "warmup", "config", "program",
                 "libraries", "host", "environment", "comm", "synthetic_pack"):
        expect(name in bench, f"no \"{name}\"")
    check_results(bench)
    for kind in ("strong", "weak"):
        if kind in bench:
            check_scaling(bench, kind)
    for line in wrong:
        print(f"{sys.argv[1]}: {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
