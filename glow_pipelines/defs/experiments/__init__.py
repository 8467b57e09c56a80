"""Experiments and rollouts: what is tried on users, by users.

Belongs here: the assets `experiment`, `experiment_guardrails` and `rollout`, and how they look. Does not: starting,
looking and moving (steps/experiments), who sees what (glow_api.resolve_prompt), planning and deciding
(learning/experiments), when they run (schedules).

An agent may run several experiments that vary different things. What an asset says by name is of one of them: the one
that was asked for, else that of the prompt; all are in its table.
"""
