"""Which trials go on: decision rules that know numbers and scores only, nothing of Ray or Keras.

A rule is told what the journal says, in its order, and its decisions follow from nothing else, so that
replaying a journal gives the same rule back.  Scores are of the objective, less is better.  Where rungs are
compared, a trial counts with its best until then, one that has ended at every later rung with its best, and
one that diverged or failed with infinity.
"""
