"""Retrieval: the index, what searches teach, what of it is tried on users, and how search does.

Belongs here: the assets of the group `retrieval`, their checks, and how they are shown. Does not: search
(glow_api.search), learning (learning/retrieval), the order of the steps (steps/retrieval), experiments.
"""
