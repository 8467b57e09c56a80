"""Parts of benchmarks/ingestion.py: each measures one claim and returns its figures. None of them asserts."""
