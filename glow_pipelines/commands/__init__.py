"""Groups of `glow`'s commands, one module for each noun.

Belongs here: options and what is printed. Does not: what the commands do.
"""
