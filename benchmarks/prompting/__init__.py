"""Parts of benchmarks/prompts.py: real tasks with peers, and simulators. None of them asserts."""
