"""The files of an evaluation against each other, and the bootstrap intervals against a second computation.

  python check_artifacts.py RUN/eval-SPLIT PACK SPLIT_NUMBER
"""
import csv
import json
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from philox import BOOTSTRAP, Stream

folder, pack, split = sys.argv[1], sys.argv[2], int(sys.argv[3])
arrays = np.load(f"{folder}/predictions.npz")
metrics = json.load(open(f"{folder}/metrics.json"))
rows = list(csv.DictReader(open(f"{folder}/predictions.csv")))
labels, predictions, probabilities = arrays["labels"], arrays["predictions"], arrays["probabilities"]
np.seterr(invalid="ignore", divide="ignore")  # undefined figures are NaN on both sides
classes, ids = arrays["classes"].tolist(), arrays["ids"].tolist()
n, k = probabilities.shape

assert labels.dtype == np.int32 and probabilities.dtype == np.float64 and arrays["logits"].dtype == np.float32
assert ids == [row["id"] for row in rows] and n == metrics["samples"]
assert [classes[i] for i in labels] == [row["label"] for row in rows]
assert [classes[i] for i in predictions] == [row["prediction"] for row in rows]
logits = arrays["logits"].astype(np.float64)
softmax = np.exp(logits - logits.max(1, keepdims=True))
assert np.abs(softmax / softmax.sum(1, keepdims=True) - probabilities).max() < 1e-12
assert np.array_equal(logits.argmax(1), predictions)
print("ok: predictions.npz holds what predictions.csv says")

wrong = np.flatnonzero(labels != predictions)
confidence = probabilities[wrong, predictions[wrong]]
expected = [ids[i] for i in wrong[np.argsort(-confidence, kind="stable")]]
errors = list(csv.DictReader(open(f"{folder}/errors.csv")))
assert [row["id"] for row in errors] == expected
manifest = json.load(open(f"{pack}/manifest.json"))
assert list(errors[0])[7:] == [column["name"] for column in manifest["columns"]]
with open(f"{pack}/samples.csv", newline="") as file:
    paths = {row["id"]: row["path"] for row in csv.DictReader(file)}
assert all(row["path"] and row["path"] == paths[row["id"]] for row in errors)
print(f"ok: errors.csv lists the {len(errors)} wrong samples by confidence, with path and all columns")

counts = list(csv.DictReader(open(f"{folder}/class_frequencies.csv")))
part = ("train", "val", "test")[split]
assert [row["class"] for row in counts] == classes
assert [int(row[part]) for row in counts] == np.bincount(labels, minlength=k).tolist()
print("ok: class_frequencies.csv")


def kappa(c):
    total = c.sum()
    return 1 - (total - np.trace(c)) * total / (total * total - c.sum(0) @ c.sum(1))


def auc(score, truth, weight):
    """Pairs in the right order, ties counting half, by the definition."""
    positive, negative = truth & (weight > 0), ~truth & (weight > 0)
    if not positive.any() or not negative.any():
        return np.nan
    p, q = score[positive][:, None], score[negative][None]
    w = weight[positive][:, None] * weight[negative][None]
    return float((((p > q) + 0.5 * (p == q)) * w).sum() / w.sum())


def odir(weight):
    truth = (labels[:, None] == np.arange(k)).ravel()
    yes = (probabilities > 0.5).ravel()
    w = np.repeat(weight, k)
    c = np.array([[w[~truth & ~yes].sum(), w[~truth & yes].sum()], [w[truth & ~yes].sum(), w[truth & yes].sum()]])
    return (kappa(c) + np.trace(c) / c.sum() + auc(probabilities.ravel(), truth, w)) / 3


def figures(weight):
    c = np.zeros((k, k))
    np.add.at(c, (labels, predictions), weight)
    right, truth, predicted = np.diag(c), c.sum(1), c.sum(0)
    recall = np.where(truth > 0, right / truth, 0)
    f1 = np.where(truth + predicted > 0, 2 * right / (truth + predicted), 0)
    areas = [auc(probabilities[:, i], labels == i, weight) for i in range(k)]
    areas = [area for area in areas if not np.isnan(area)]
    losses = -np.log(np.clip(probabilities[np.arange(n), labels], 2.0**-52, 1 - 2.0**-52))
    return {
        "accuracy": right.sum() / c.sum(),
        "balanced_accuracy": recall.sum() / (truth > 0).sum(),
        "recall_macro": recall.mean(),
        "f1_macro": f1.mean(),
        "f1_weighted": (f1 * truth).sum() / truth.sum(),
        "kappa": kappa(c),
        "log_loss": (weight * losses).sum() / weight.sum(),
        "roc_auc_over_defined": np.mean(areas) if areas else np.nan,
        "odir_score": odir(weight),
    }


for name, value in figures(np.ones(n)).items():
    assert np.allclose(float(metrics[name]), value, rtol=0, atol=1e-12, equal_nan=True), (name, metrics[name], value)
print("ok: point estimates")

try:
    from sklearn import metrics as sk

    pairs = (labels[:, None] == np.arange(k)).ravel()
    answers = (probabilities > 0.5).ravel()
    parts = (
        sk.cohen_kappa_score(pairs, answers),
        sk.f1_score(pairs, answers, average="micro"),
        sk.roc_auc_score(pairs, probabilities.ravel()),
    )
    for name, value in zip(("odir_kappa", "odir_f1", "odir_auc", "odir_score"), (*parts, sum(parts) / 3)):
        assert abs(metrics[name] - value) < 1e-12, (name, metrics[name], value)
    print("ok: the ODIR score is what the challenge's formula gives with scikit-learn")
except ImportError:
    print("skipped: no scikit-learn for the ODIR score")

try:
    import h5py
except ImportError:
    print("skipped: no h5py for the groups")
    sys.exit(0)
group_of = {}
for shard in manifest["shards"]:
    with h5py.File(f"{pack}/{shard['name']}") as file:
        for name, group in zip(file["ids"][:], file["groups"][:]):
            group_of[bytes(name).rstrip(b"\0").decode()] = int(group)
groups = np.unique([group_of[i] for i in ids], return_inverse=True)[1]
intervals = metrics["intervals"]
n_groups = groups.max() + 1
assert intervals["groups"] == n_groups
draws = []
for resample in range(intervals["resamples"]):
    stream = Stream(intervals["seed"], BOOTSTRAP, split, resample)
    times = np.zeros(n_groups)
    for _ in range(n_groups):
        times[stream.below(int(n_groups))] += 1
    draws.append(figures(times[groups]))
for name in draws[0]:
    defined = [d[name] for d in draws if not np.isnan(d[name])]
    bounds = np.percentile(defined, [2.5, 97.5]) if defined else [np.nan, np.nan]
    found = [float(bound) for bound in intervals["bounds"][name]]
    assert np.allclose(found, bounds, rtol=0, atol=1e-9, equal_nan=True), (name, found, bounds)
print(f"ok: {len(draws[0])} intervals over {n_groups} groups equal numpy's percentiles of the same resamples")
