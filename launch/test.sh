#!/usr/bin/env bash
# Installs what is missing, builds with warnings as errors, runs every test, closes with CTest's summary.
# Further arguments go to ctest: launch/test.sh -L unit
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

"$source_folder/launch/deps.sh" --tests
say "building (preset ci)"
build ci -DCRISOL_TESTS=ON

# Tests that start several ranks or workers say so with PROCESSORS, so that CTest does not pile them up.
say "testing"
ctest --test-dir "$source_folder/build/ci" --output-on-failure --parallel "$cores" "$@"
