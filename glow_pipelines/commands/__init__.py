"""Groups of commands of `glow`, one module each.

Belongs here: verbs, options and what they print. Does not: what the verbs do.
"""
