#!/bin/bash
# Sweep etth1-24h, by Recur: a Ray of its own over the nodes, and the sweep beside its head.
#SBATCH --job-name=recur-etth1-24h
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --gres=gpu:a100:2
#SBATCH --mem=64G
#SBATCH --time=2-00:00:00
#SBATCH --partition=gpu
#SBATCH --account=forecasting
#SBATCH --qos=long
#SBATCH --constraint=ib
#SBATCH --reservation=nights
#SBATCH --signal=B:TERM@300
#SBATCH --no-requeue
#SBATCH --open-mode=append
#SBATCH --output="/shared/of us/100%%/etth1-24h/log.txt"
#SBATCH --mail-type=FAIL

cd '/shared/of us/100%/etth1-24h' || exit 1
export QUOTED='it'"'"'s $HOME `x`'
export RECUR_SECRETS='{"AWS_SECRET_ACCESS_KEY": {"file": "/run/secrets/bucket"}}'
export TZ=UTC
module load python
export NAME="a b"

# Ray's token is made when the job runs, in a file that only its user can read.
# {address} becomes the head's.
exec /opt/recur/bin/python -P -m cluster.allocation '/shared/of us/100%/etth1-24h' 4 once 300 -- /opt/recur/bin/python -P -m runner.cli run '/shared/of us/100%/etth1-24h/job.yaml' --name etth1-24h --storage /shared/sweeps --address '{address}' --wait 120 --submitted 2242ca1cf4932d72b86b59f1eb87b2b4f767ca20ccfc8d99c8b9e80c59de0094
