"""Prompts: analysis, candidates, race, gate, candidate.

Belongs here: the five assets of one optimization, each a stage that reads what the one before wrote, and how they are
shown. Does not: the stages' reasoning (learning/prompts), traffic (experiments).

An optimization is one dataset version against one prompt in force. Its id is the hash of what decides it, and every
model answer is cached, so that a run that was killed takes the same decisions again and pays only for what is missing.
Runs by the clock, on news and on request are the same run; a request may name goals.
"""
