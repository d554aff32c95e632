"""The trial engine: recurrent networks as pure functions of one flat vector of weights.

A *cell* (``cells``, ``gru``) knows one step of its recurrence both ways; ``recurrence`` runs it over a
window; ``network`` stacks recurrences into a forecaster; ``programs`` makes of that two functions that train
and evaluate many batches in one call; a *backend* (``on_tensorflow``, ``on_jax``) traces, compiles and runs
them.  Everything that differs between trials of the same shape (weights, learning rate, dropout rates,
scaling) is an argument, so that such trials share their programs.
"""
