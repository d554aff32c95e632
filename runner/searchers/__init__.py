"""Which configuration is tried next.

A searcher is told what the journal says, in its order, and each ask follows from that, the sweep's seed and
the trial's number alone; so a searcher that was told a journal again asks for what it would have asked for.
"""
