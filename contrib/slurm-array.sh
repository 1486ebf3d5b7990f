#!/bin/sh
# Runs the catalogue on one kernel in four shards, one for each task of a Slurm array:
#
#   jobs=$(sbatch --parsable contrib/slurm-array.sh)
#   sbatch --dependency="afterany:$jobs" --wrap 'dynptr-harness merge results --json merged.json'
#
# KERNEL and RESULTS change the defaults. The array must count from 1.
#SBATCH --job-name=dynptr-harness
#SBATCH --array=1-4
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=2
#SBATCH --mem=3G
#SBATCH --time=01:00:00
#SBATCH --output=dynptr-harness-%A_%a.log

set -eu

results=${RESULTS:-results}
mkdir -p "$results"
exec dynptr-harness run --kernel "${KERNEL:-6.12}" --quiet --jobs 1 \
	--shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" \
	--json "$results/shard-$SLURM_ARRAY_TASK_ID.json"
