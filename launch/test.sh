#!/usr/bin/env bash
# Installs what is missing, builds with warnings as errors, runs every test, closes with CTest's summary.
# Further arguments go to ctest: launch/test.sh -L unit
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

"$source_folder/launch/deps.sh" --tests
say "building (preset ci)"
build ci ci -DCRISOL_TESTS=ON

# Tests that compare with Python's libraries take the first Python that has them; without one they skip and say so.
for python in "${CRISOL_PYTHON:-}" python3 /usr/bin/python3; do
    if [ -n "$python" ] && "$python" -c 'import h5py, numpy' 2>/dev/null; then
        export CRISOL_PYTHON=$python
        break
    fi
done

# Tests that start several ranks or workers say so with PROCESSORS, so that CTest does not pile them up. Most of them wait
# about half of their time or longer (for a launcher, a signal, Slurm, a disk), so three times the cores have enough to do.
say "testing"
ctest --test-dir "$source_folder/build/ci" --output-on-failure --parallel $((3 * cores)) "$@"
