#!/bin/bash
# Sweep etth1-24h, by Recur: a Ray of its own over the nodes, and the sweep beside its head.
#SBATCH --job-name=recur-etth1-24h
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --signal=B:TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=/shared/sweeps/.submissions/etth1-24h/log.txt

cd /shared/sweeps/.submissions/etth1-24h || exit 1

# Ray's token is made when the job runs, in a file that only its user can read.
# {address} becomes the head's.
exec /opt/recur/bin/python -P -m cluster.allocation /shared/sweeps/.submissions/etth1-24h 1 requeue 120 -- /opt/recur/bin/python -P -m runner.cli run /shared/sweeps/.submissions/etth1-24h/job.yaml --name etth1-24h --storage /shared/sweeps --address '{address}' --wait 120 --submitted 2242ca1cf4932d72b86b59f1eb87b2b4f767ca20ccfc8d99c8b9e80c59de0094
