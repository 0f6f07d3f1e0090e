# shellcheck shell=bash disable=SC2034,SC2154
# Sourced: start_cluster brings up slurmctld and two slurmds, n1 and n2, on this machine, without touching its own Slurm;
# stop_cluster ends them. Skips where that cannot be: it takes root for the nodes' own host names.
cluster_pids=()

write_conf() {
    local port=$1
    cat >"$cluster/slurm.conf" <<CONF
ClusterName=crisol
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=$port
SlurmUser=root
SlurmdUser=root
AuthType=auth/none
CredType=cred/none
AuthInfo=cred_expire=6
StateSaveLocation=$cluster/state
SlurmdSpoolDir=$cluster/spool/%n
TmpFS=$cluster/tmp/%n
SlurmctldPidFile=$cluster/slurmctld.pid
SlurmdPidFile=$cluster/slurmd.%n.pid
SlurmctldLogFile=$cluster/log/slurmctld.log
SlurmdLogFile=$cluster/log/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MailProg=/bin/true
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=pmix
ReturnToService=2
SlurmdTimeout=10
KillWait=5
SchedulerType=sched/backfill
SchedulerParameters=sched_min_interval=0,batch_sched_delay=0,bf_interval=1
SlurmdParameters=config_overrides
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
PropagateResourceLimits=NONE
JobRequeue=1
NodeName=n1 NodeAddr=127.0.0.1 Port=$((port + 1)) CPUs=2 RealMemory=1000 State=UNKNOWN
NodeName=n2 NodeAddr=127.0.0.1 Port=$((port + 2)) CPUs=2 RealMemory=1000 State=UNKNOWN
PartitionName=main Nodes=n[1-2] Default=YES MaxTime=INFINITE State=UP
CONF
}

# A node has a host name of its own, which it must be able to resolve, and its own /dev/shm.
start_node() {
    # shellcheck disable=SC2016
    setsid unshare --uts --mount sh -c 'mount --bind "$1/hosts" /etc/hosts && mount -t tmpfs tmpfs /dev/shm &&
        hostname "$2" && exec slurmd -D -N "$2" -f "$SLURM_CONF"' sh "$cluster" "$1" >"$cluster/log/$1.out" 2>&1 &
    cluster_pids+=($!)
}

stop_cluster() {
    scancel --state=RUNNING,PENDING --user="$(id -un)" 2>/dev/null || true
    sleep 0.5
    for pid in "${cluster_pids[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    for _ in $(seq 80); do
        kill -0 "${cluster_pids[@]}" 2>/dev/null || break
        sleep 0.1
    done
    for pid in "${cluster_pids[@]}"; do
        kill -9 "$pid" 2>/dev/null || true
    done
    # ranks of a job that a failed test leaves would train on
    for pid in $(pgrep 'slurmstepd|crisol|slurm_script' || true); do
        if tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null | grep -qxF "SLURM_CONF=$SLURM_CONF"; then kill -9 "$pid" 2>/dev/null || true; fi
    done
}

start_cluster() { # FOLDER
    cluster=$1
    local program
    for program in slurmctld slurmd sbatch srun unshare; do
        PATH=$PATH:/usr/sbin type "$program" >/dev/null 2>&1 || skip "no $program: a real Slurm is needed"
    done
    export PATH=$PATH:/usr/sbin
    [ "$(id -u)" = 0 ] || skip "two nodes on one machine need root"
    unshare --uts --mount true 2>/dev/null || skip "no name spaces for the nodes here"
    rm -rf "$cluster"
    mkdir -p "$cluster"/{state,log} "$cluster"/spool/{n1,n2} "$cluster"/tmp/{n1,n2}
    echo "127.0.0.1 localhost n1 n2 $(hostname)" >"$cluster/hosts"
    write_conf $((20000 + RANDOM % 20000))
    export SLURM_CONF=$cluster/slurm.conf
    trap stop_cluster EXIT
    setsid slurmctld -D -c -f "$SLURM_CONF" >"$cluster/log/slurmctld.out" 2>&1 &
    cluster_pids+=($!)
    start_node n1
    start_node n2
    for _ in $(seq 300); do
        [ "$(sinfo -h -t idle -o %D 2>/dev/null)" = 2 ] && break
        sleep 0.1
    done
    [ "$(sinfo -h -t idle -o %D 2>/dev/null)" = 2 ] || { tail -n 5 "$cluster"/log/*; fail "the two nodes did not come up"; }
    export OMPI_MCA_btl_tcp_if_include=lo OMPI_MCA_oob_tcp_if_include=lo
}

# job_state JOB: PENDING, RUNNING, COMPLETED, …
job_state() {
    scontrol show job "$1" 2>/dev/null | sed -n 's/.*JobState=\([A-Z_]*\).*/\1/p'
}

restarts() {
    scontrol show job "$1" 2>/dev/null | sed -n 's/.*Restarts=\([0-9]*\).*/\1/p'
}

# wait_for SECONDS WHAT COMMAND…: until the command succeeds
wait_for() {
    local seconds=$1 what=$2 end
    shift 2
    end=$((SECONDS + seconds))
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || { cat "$scratch"/*.out 2>/dev/null | tail -n 20; fail "$what did not happen in $seconds s"; }
        sleep 0.2
    done
}
