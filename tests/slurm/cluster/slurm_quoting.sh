#!/usr/bin/env bash
# What a person types into an option reaches the program as it is, or is refused; nothing of it is ever run.
# shellcheck source=../../support/shell.sh
. "$(dirname "$0")/../../support/shell.sh"

fill=$source_folder/launch/slurm-train
rm -rf "${scratch:?}"/*
cd "$scratch"
# shellcheck disable=SC2016
nasty=('$(touch ran)' '`touch ran`' "'; touch ran; '" '"; touch ran; "' $'a\ntouch ran\n' $'x\n#SBATCH --wrap=ran' '${IFS}' ' a  b ' '*' $'\\' 'é' '!!'
    $'tab\there' '-n' '~' '&touch ran&' '|touch ran')

# a program that leaves its arguments, each ended by a NUL
cat >"$scratch/print it" <<'PRINT'
#!/usr/bin/env bash
printf '%s\0' "$@" >"$ARGUMENTS"
PRINT
chmod +x "$scratch/print it"
export ARGUMENTS=$scratch/arguments

for text in "${nasty[@]}"; do
    # free text: config, run, --set, what follows --
    "$fill" "c$text" --output "r$text" --set "$text" --launcher mpirun --crisol "$scratch/print it" -- "$text" '' >filled.sh
    rm -f arguments
    env -u SLURM_JOB_ID bash filled.sh >filled.out 2>&1 || { cat filled.out; fail "the filled-in script failed for $(printf %q "$text")"; }
    printf '%s\0' train "c$text" --output "r$text" --set "$text" "$text" '' >expected
    cmp arguments expected || fail "arguments changed on their way: $(printf %q "$text")"
    # a sweep's job array hands on what it was called with
    rm -f arguments
    env -u SLURM_JOB_ID CRISOL="$scratch/print it" CRISOL_LAUNCHER=mpirun bash "$source_folder/slurm/sweep-array.sbatch" \
        "s$text" "d$text" --set "$text" '' >filled.out 2>&1 || { cat filled.out; fail "the job array failed for $(printf %q "$text")"; }
    printf '%s\0' sweep "s$text" --output "d$text" --shard 0/1 --set "$text" '' >expected
    cmp arguments expected || fail "a job array changed arguments on their way: $(printf %q "$text")"
    # a program by that name must not be found by the shell's own means
    "$fill" c --output r --launcher mpirun --crisol "$text" >filled.sh
    bash -n filled.sh || fail "the filled-in script is no bash for --crisol $(printf %q "$text")"
    [ "$(grep -c '^#SBATCH' filled.sh)" = "$(grep -c '^#SBATCH' "$source_folder/slurm/train.sbatch")" ] ||
        fail "an #SBATCH line came in by --crisol"
    # what stands in #SBATCH lines is refused
    for option in --nodes --ranks --cores --gpus --time --signal-before --partition --account --qos --job-name --log --launcher; do
        code=0
        "$fill" c --output r "$option" "$text" >out.txt 2>err.txt || code=$?
        [ "$code" = 64 ] || fail "$option took $(printf %q "$text")"
    done
    [ ! -e ran ] || fail "$(printf %q "$text") was run"
done
"$fill" c --output r --nodes 3 --ranks 4 --cores 5 --gpus 1 --time 1-02:03:04 --partition p_1 --account a.b --qos q-1 \
    --job-name j --log 'logs/%x-%j.out' --signal-before 90 >filled.sh
for line in --nodes=3 --ntasks-per-node=4 --cpus-per-task=5 --gpus-per-task=1 --time=1-02:03:04 \
    '--partition=p_1 --account=a.b --qos=q-1' --job-name=j '--output=logs/%x-%j.out' --signal=B:USR1@90; do
    grep -qx -- "#SBATCH $line" filled.sh || fail "no line #SBATCH $line"
done
expect_code 64 'one CONFIG' "$fill" --output r
expect_code 64 'one CONFIG' "$fill" a b --output r
expect_code 64 '--output' "$fill" a
expect_code 64 'no option' "$fill" a --output r --wrap id
echo "ok: ${#nasty[@]} texts through every option"
