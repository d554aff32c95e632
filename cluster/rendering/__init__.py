"""A schedule for the schedulers that platforms have: text, which somebody else puts where it belongs.

Each has its own reading of cron's fields and of the clock; where one would not do what the schedule says, it
is refused or told.
"""
