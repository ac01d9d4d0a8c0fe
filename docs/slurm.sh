#!/usr/bin/env bash
# merbench on all nodes of a SLURM job: sbatch --nodes=4 --cpus-per-task=16 docs/slurm.sh run ststnet --protocol megc2019
# Submit it from the folder that has results/, with ray and merbench on the PATH (an activated environment).
#SBATCH --job-name=merbench
#SBATCH --ntasks-per-node=1
#SBATCH --output=merbench-%j.log
set -euo pipefail

: "${SLURM_JOB_ID:?to be submitted with sbatch}"
cpus=${SLURM_CPUS_PER_TASK:-1}
gpus=${SLURM_GPUS_ON_NODE:-0}
port=$((20000 + SLURM_JOB_ID % 20000)) # two jobs of one node need two ports

# The token restricts access to the cluster; srun passes the environment to the nodes.
RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))')
export RAY_AUTH_TOKEN RAY_AUTH_MODE=token RAY_ENABLE_UV_RUN_RUNTIME_ENV=0 RAY_worker_niceness=0

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=$(srun --nodes=1 --ntasks=1 --nodelist="${nodes[0]}" hostname --ip-address | awk '{print $1}')
address="$head:$port"

started=()
finish() {
    for process in "${started[@]}"; do kill "$process" 2>/dev/null || true; done
    wait
}
trap finish EXIT

ray_start() { # node, further words
    local node=$1
    shift
    srun --overlap --nodes=1 --ntasks=1 --nodelist="$node" \
        ray start --block --num-cpus="$cpus" --num-gpus="$gpus" --disable-usage-stats "$@" &
    started+=($!)
}

ray_start "${nodes[0]}" --head --node-ip-address="$head" --port="$port" --include-dashboard=false
until (exec 3<>"/dev/tcp/$head/$port") 2>/dev/null; do
    kill -0 "${started[0]}" || exit 1 # the reason is printed above
    sleep 1
done
for node in "${nodes[@]:1}"; do
    ray_start "$node" --address="$address"
done

# Machines that join later are used as soon as they are there.
merbench "$@" --ray-address "$address"
