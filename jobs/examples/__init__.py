"""Example jobs, and the data they read.

Each is run with ``recur run jobs/examples/<file>``; ``--dry-run`` shows first what it would do.

- ``etth1.yaml``: the one to start with; all three cells, 24 trials with ASHA, a few minutes.
- ``simple_rnn.yaml``, ``lstm.yaml``, ``gru.yaml``: one fixed network each, every layer written out.
- ``simple_rnn_search.yaml``, ``lstm_search.yaml``, ``gru_search.yaml``: the same stacks as search spaces,
  each layer on its own, with Hyperband up to 100 epochs; hours, not minutes.
- ``etth1/``: the data of all of them, ETTh1 whole and verbatim in six Parquet shards; licence in ``NOTICE``.
"""
