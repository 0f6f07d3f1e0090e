#!/usr/bin/env bash
# What no file may say: the program's end below cli, unfinished work, the paths of one machine.
. "$(dirname "$0")/rules.sh"

# report WHY < lines of grep -n output with file names
report() {
    local found
    while IFS= read -r found; do
        breach "$found  <- $1"
    done
}

# A process ends in cli. comm may end it, too: when a rank is lost, nobody is left to return to.
while IFS= read -r file; do
    case $file in src/cli/* | src/comm/*) continue ;; esac
    report "only src/cli ends the process" < <(
        code "$file" | grep -nE '(^|[^A-Za-z0-9_>.])(exit|_exit|_Exit|quick_exit|abort|assert|MPI_Abort)[ ]*\(' |
            sed "s|^|$file:|" || true)
done < <(code_files src)

# The words are taken apart here, so that this file does not hold them.
unfinished='\b(TO''DO|FIX''ME|XX''X|HA''CK)\b'
machine='(^|[^A-Za-z0-9_.~-])/(work|opt|root|home)/'
reference='\b[Ii]ssues? #?[0-9]+\b'
mapfile -t texts < <(files '*.c' '*.h' '*.cu' '*.cuh' '*.sh' '*.awk' '*.py' '*.txt' '*.cmake' '*.md' '*.yaml' '*.yml' '*.json' \
    '*.sbatch' '*.conf' .clang-tidy .clang-format run)
report "unfinished work" < <(grep -nHE "$unfinished" "${texts[@]}" || true)
report "path of one machine" < <(grep -nHE "$machine" "${texts[@]}" || true)
report "a tracker's number says nothing to a reader" < <(grep -nHE "$reference" "${texts[@]}" || true)
finish "no exit below cli, no unfinished work, no machine's paths"
