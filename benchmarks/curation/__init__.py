"""Parts of benchmarks/datasets.py: each measures one claim and returns its figures. None of them asserts."""
