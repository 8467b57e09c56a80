"""Training a chat model on one's own machine: a LoRA adapter of a GGUF base, in a process of its own.

Belongs here: what `python -m glow_pipelines.training --job FOLDER` does from job.json to adapter.gguf. Does not: who
starts it, one at a time (providers/local), which lines it gets (learning/models), whether the adapter is any good (the
evaluation gate). torch, transformers and gguf (extra `train`) are imported when training begins, never before; layout,
masks, schedules and files need none of them.
"""
