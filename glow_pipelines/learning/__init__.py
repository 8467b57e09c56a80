"""The engines: values in, values out.

Belongs here: everything that decides or computes — prompts, retrieval, models, datasets, experiments — as pure
functions and small classes over frozen dataclasses. Clock, randomness and model calls are passed in.
Does not belong here: SQL, Dagster, HTTP, settings, files. A notebook user can call every engine without any of them.
"""
