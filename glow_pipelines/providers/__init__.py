"""Ports to what answers, embeds, trains and notifies: a Protocol each, the real one, and a local one.

Belongs here: the wire, its retries, its cache keys. Does not: prompts and their evaluation (learning), where cached
answers are kept (store). Nothing heavy is imported by importing this package; import the module you need.
"""
