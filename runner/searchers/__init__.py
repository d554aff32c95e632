"""Which configuration is tried next.

A searcher is told what the journal says, in its order, and each ask follows from that, the sweep's seed and
the trial's number alone; so a searcher that was told a journal again asks for what it would have asked for.
Random draws and the grid are ours; the models are Optuna's and KerasTuner's, made anew for each ask of what
was told (``told``), in numbers (``axes``), and imported only when they are first needed.
"""
