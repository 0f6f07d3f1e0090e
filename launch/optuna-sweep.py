#!/usr/bin/env python3
"""Lets Optuna choose the points of a sweep file instead of `crisol sweep`, one trial after the other.

    launch/optuna-sweep.py SWEEP --output DIR [--set NAME=VALUE …] [--crisol PROGRAM] [--trials N]

Each trial is a `crisol train` in DIR/trials/HASH, the hash being that of its settings. The metric of every epoch is read
from its journal and reported; a pruned trial is asked to stop, and keeps its checkpoint. The study lies in DIR/optuna.log:
run again, it goes on, and trials that were running go on from their own checkpoints. SIGINT, SIGTERM, SIGUSR1: the trial
saves, exit code 75. Needs Optuna 4 or later (pip install optuna), which brings PyYAML.
"""
import argparse
import fcntl
import hashlib
import json
import math
import pathlib
import signal
import subprocess
import sys
import time

try:
    import optuna
    import yaml
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend
    from optuna.trial import TrialState
except ImportError as error:
    sys.exit(f"optuna-sweep.py: {error}; pip install 'optuna>=4'")

STOPPED = 75
BAD_CONFIG = 78


class Stop:
    """A signal asks the training that runs to save and leave, and the driver to follow."""

    def __init__(self):
        self.asked = False
        self.child = None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, self.ask)

    def ask(self, *_):
        self.asked = True
        if self.child and self.child.poll() is None:
            self.child.send_signal(signal.SIGUSR1)


def refuse(text):
    print(f"optuna-sweep.py: {text}", file=sys.stderr)
    sys.exit(BAD_CONFIG)


def flow(value):
    """A value as one line of YAML; scalars were read as the texts that they are."""
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {flow(item)}" for name, item in value.items()) + "}"
    return value


def integer_options(crisol):
    """Names of the options that are integers, from the program's own table: name, meaning, what is allowed."""
    lines = subprocess.run([crisol, "config"], check=True, capture_output=True, text=True).stdout.splitlines()
    return {
        line.split(":")[0].strip()
        for line, allowed in zip(lines, lines[2:])
        if line.startswith("  ") and line[2] != " " and allowed.strip().startswith("integer ")
    }


def suggest(trial, name, parameter, is_integer):
    if "values" in parameter:
        return trial.suggest_categorical(name, [flow(value) for value in parameter["values"]])
    low, high = parameter["range"]
    is_log = parameter.get("scale") == "log"
    if is_integer:
        return str(trial.suggest_int(name, int(low), int(high), log=is_log))
    return repr(trial.suggest_float(name, float(low), float(high), log=is_log))


def make_pruner(rule):
    if rule.get("rule", "none") == "median":
        return optuna.pruners.MedianPruner(
            n_startup_trials=int(rule.get("trials", 5)), n_warmup_steps=int(rule.get("epochs", 1))
        )
    if rule.get("rule", "none") == "halving":
        return optuna.pruners.SuccessiveHalvingPruner(
            min_resource=int(rule.get("epochs", 1)), reduction_factor=int(rule.get("factor", 3))
        )
    return optuna.pruners.NopPruner()


class Epochs:
    """The epochs that a run's journal has and that were not seen yet, in their order."""

    def __init__(self, folder, metric):
        self.path = folder / "journal.jsonl"
        self.metric = metric
        self.seen = {}

    def read(self):
        text = self.path.read_text() if self.path.exists() else ""
        for line in text.splitlines(keepends=True):
            if not line.endswith("\n"):
                break  # being written
            event = json.loads(line)
            if event["event"] != "epoch" or int(event["epoch"]) in self.seen:
                continue
            if self.metric not in event:
                refuse(f"{self.path} has no {self.metric}")
            value = float(event[self.metric])
            self.seen[int(event["epoch"])] = value
            yield int(event["epoch"]), value


class Driver:
    def __init__(self, arguments):
        self.arguments = arguments
        with open(arguments.sweep, encoding="utf-8") as file:
            self.sweep = yaml.load(file, Loader=yaml.BaseLoader)  # every scalar as the text that it is
        for key in ("base", "parameters", "metric"):
            if key not in self.sweep:
                refuse(f"{arguments.sweep}: key '{key}' is missing")
        if int(self.sweep.get("seeds", 1)) != 1:
            refuse(f"{arguments.sweep}: Optuna's trials have one seed; 'crisol sweep' takes several")
        self.base = pathlib.Path(arguments.sweep).resolve().parent / self.sweep["base"]
        self.metric = self.sweep["metric"]["name"]
        self.maximize = self.sweep["metric"].get("goal", "maximize") == "maximize"
        self.n_trials = arguments.trials or int(self.sweep.get("trials", 0))
        if not self.n_trials:
            refuse(f"{arguments.sweep}: 'trials' or --trials says how many there are to be")
        self.integers = integer_options(arguments.crisol)
        self.output = pathlib.Path(arguments.output)
        self.stop = Stop()

    def open_study(self):
        self.output.mkdir(parents=True, exist_ok=True)
        self.lock = open(self.output / "optuna.lock", "w")  # the system frees it when this process ends
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            refuse(f"{self.output}: another driver works there")
        self.study = optuna.create_study(
            study_name="crisol",
            storage=JournalStorage(JournalFileBackend(str(self.output / "optuna.log"))),
            direction="maximize" if self.maximize else "minimize",
            pruner=make_pruner(self.sweep.get("prune", {})),
            load_if_exists=True,
        )
        # a sampler's state is not kept: with the same seed it would ask for the first points again
        seed = int(self.sweep.get("seed", 1)) + len(self.study.get_trials(deepcopy=False))
        self.study.sampler = optuna.samplers.TPESampler(seed=seed)
        # what ran when a former driver died is asked for again, and finds its run directory
        for trial in self.study.get_trials(states=(TrialState.RUNNING,)):
            self.study.enqueue_trial(trial.params)
            self.study.tell(trial.number, state=TrialState.FAIL)

    def n_finished(self):
        return sum(
            trial.state in (TrialState.COMPLETE, TrialState.PRUNED) or "cause" in trial.user_attrs
            for trial in self.study.get_trials()
        )

    def settings(self, trial):
        fixed = {name: flow(value) for name, value in self.sweep.get("set", {}).items()}
        fixed.update(setting.split("=", 1) for setting in self.arguments.set)
        fixed["train.monitor"] = self.metric
        fixed["train.mode"] = "max" if self.maximize else "min"
        for name, parameter in self.sweep["parameters"].items():
            fixed[name] = suggest(trial, name, parameter, name in self.integers)
        return fixed

    def train(self, trial):
        """Trains to the end or until Optuna prunes: the exit code, and the epochs' metrics."""
        settings = self.settings(trial)
        name = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
        folder = self.output / "trials" / name
        trial.set_user_attr("folder", str(folder))
        ranks = int(self.sweep.get("ranks", 1))
        command = ["mpirun", "--bind-to", "none", "-n", str(ranks)] if ranks > 1 else []
        command += [self.arguments.crisol, "train", str(self.base), "--output", str(folder), "--quiet"]
        for setting in settings.items():
            command += ["--set", "=".join(setting)]
        (self.output / "stderr.txt").write_text("")
        epochs = Epochs(folder, self.metric)
        is_pruned = False
        with open(self.output / "stderr.txt", "a") as errors:
            self.stop.child = subprocess.Popen(command, stderr=errors)
        if self.stop.asked:  # the signal came before there was a child
            self.stop.ask()
        while True:
            code = self.stop.child.poll()
            for epoch, value in epochs.read():
                if is_pruned:
                    break
                if math.isfinite(value):
                    trial.report(value, epoch)
                    is_pruned = trial.should_prune()
            if is_pruned and code is None:
                self.stop.child.send_signal(signal.SIGUSR1)
                code = self.stop.child.wait()
            if code is not None:
                return code, is_pruned, epochs.seen
            time.sleep(0.1)

    def run_one(self):
        trial = self.study.ask()
        code, is_pruned, seen = self.train(trial)
        values = [value for value in seen.values() if math.isfinite(value)]
        best = (max if self.maximize else min)(values) if values else math.nan
        if is_pruned:
            self.study.tell(trial, state=TrialState.PRUNED)
            word = "pruned"
        elif code == 0 and values:
            self.study.tell(trial, best)
            word = "done"
        elif code == STOPPED:
            self.stop.asked = True  # it stays RUNNING, and is taken up by the next start
            word = "stopped"
        else:
            lines = (self.output / "stderr.txt").read_text().strip().splitlines()
            trial.set_user_attr("cause", lines[-1] if lines else f"exit code {code}")
            self.study.tell(trial, state=TrialState.FAIL)
            word = f"failed: {lines[-1] if lines else code}"
        print(f"trial {trial.number}: {word} after {len(seen)} epochs, best {self.metric} {best:.4f}, {trial.params}", flush=True)
        return word.startswith("failed")

    def run(self):
        self.open_study()
        n_failed = 0
        while not self.stop.asked and self.n_finished() < self.n_trials:
            n_failed += self.run_one()
        if self.stop.asked:
            print("stopped as asked; the same command goes on", file=sys.stderr)
            return STOPPED
        done = self.study.get_trials(states=(TrialState.COMPLETE,))
        if done:
            best = self.study.best_trial
            print(f"best: trial {best.number}, {self.metric} {best.value:.4f}, {best.params}, {best.user_attrs['folder']}")
        return 1 if n_failed or not done else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweep", metavar="SWEEP")
    parser.add_argument("--output", required=True, metavar="DIR")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="for every trial")
    parser.add_argument("--crisol", default="crisol", metavar="PROGRAM")
    parser.add_argument("--trials", type=int, default=0, metavar="N", help="instead of the file's")
    arguments = parser.parse_args()
    for setting in arguments.set:
        if "=" not in setting:
            parser.error(f"--set {setting}: write NAME=VALUE")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sys.exit(Driver(arguments).run())


if __name__ == "__main__":
    main()
