"""Fine-tuning in the embedded server: files, jobs and models by OpenAI's wire, trained by a process of their own.

Belongs here: keeping files and jobs in the home, running one job at a time, naming what came out. Does not: training
(glow_pipelines.training), answering (engines), calling any of this (providers/tuning, like any other service).
"""
