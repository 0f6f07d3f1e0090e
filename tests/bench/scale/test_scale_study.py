"""The model of scale_study.py against cases that can be calculated by hand, and the script on real benchmarks:
test_scale_study.py [TRAIN.json REDUCE.json LOADER.json]."""
import io
import math
import sys

import scale_study as study


def spread(value):
    return {"median": value}


def make_bench():
    """One worker, 4 micro-batches of 8, 100 ms each, on one and two ranks; a gradient of 40 MB."""
    reduction = {"gradient_bytes": 40_000_000, "ordered_s": spread(0.04)}  # 80 MB moved or added on two ranks: 0.5 ns/B
    rows = [{"ranks": 1, "batch": 32, "compute_s": spread(0.4), "step_s": spread(0.42), "update_s": spread(0.02)},
            {"ranks": 2, "batch": 32, "compute_s": spread(0.2), "step_s": spread(0.26)}]
    return {"bench_format": 1, "kind": "train", "ranks": 2, "workers": 1, "host": {"cores": 2}, "strong": rows, "weak": rows,
            "results": {"batch": 32, "micro_batch": 8, "gradient_bytes": 40_000_000, "reduction": reduction}}


def near(a, b):
    assert math.isclose(a, b, rel_tol=1e-9), (a, b)


def test_by_hand():
    model = study.Model(make_bench())
    near(model.compute, 0.1)
    near(model.seconds_a_byte, 0.5e-9)
    fabric = ("by hand", 1e-6, 1e9, "")
    one = model.step(1, 4, fabric)
    near(sum(one.values()), 0.42)  # as measured: nothing to send
    four = model.step(4, 4, fabric)
    # 2 · 40 MB · 3/4 at 1 GB/s, 3 messages for each of 10 chunks of 4 MiB and for the sums, 40 MB · 0.5 ns
    near(four["reduction"], 0.06 + 3e-6 * 11 + 0.02)
    near(four["report"], 2e-6 + 16 * 128 / 1e9)
    near(four["compute"], 0.4)
    near(study.rate(model, 4, 4, fabric), 128 / sum(four.values()))


def test_shape():
    """A fabric without cost scales perfectly but for the update; a slow one is bound by the reduction, and says so."""
    model = study.Model(make_bench())
    model.seconds_a_byte = 0.0
    free = ("free", 0.0, 1e30, "")
    near(study.rate(model, 1024, 4, free), 1024 * study.rate(model, 1, 4, free))
    slow = ("slow", 50e-6, 1e8, "")
    assert study.why(model.step(64, 4, slow))[0] == "reduction"
    out = io.StringIO()
    assert study.study(model, slow, 4, out) == 8
    assert study.study(model, free, 4, out) is None
    model.reader = 10.0  # samples/s against 32 samples a step
    assert study.why(model.step(8, 4, free))[0] == "data"


def test_workers():
    """A second worker halves the rounds of an even number of micro-batches and not of one."""
    model = study.Model(make_bench())
    model.workers = 2
    near(model.step(1, 4, study.FABRICS[0])["compute"], 0.2)
    near(model.step(1, 1, study.FABRICS[0])["compute"], 0.1)


def test_real(train, reduce, loader):
    """The model from real figures: it reproduces its own anchor, one rank, and has a line for every number of ranks."""
    out = io.StringIO()
    assert study.main([train, reduce, "--loader", loader, "--fabric", "mine:5:20"], out) == 0
    text = out.getvalue()
    print(text)
    for name in [fabric[0] for fabric in study.FABRICS] + ["mine"]:
        assert f"\n{name}: " in text, name
    for ranks in study.RANKS:
        assert sum(line.split()[:1] == [str(ranks)] for line in text.splitlines()) >= len(study.FABRICS) + 1, ranks


def main():
    test_by_hand()
    test_shape()
    test_workers()
    if len(sys.argv) > 1:
        test_real(*sys.argv[1:])
    print("the model holds")


if __name__ == "__main__":
    main()
