"""Judges: metrics that ask a model, and how far they may be believed.

Belongs here: what is asked, how an answer is read, calibration against experts, the correction of judged levels. Does
not belong here: pure metrics (prompts/metrics), asking (prompts/evaluate), what passes a gate (prompts/gate).
"""
