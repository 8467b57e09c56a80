"""Parts of the retrieval benchmark (benchmarks/retrieval.py): collections, simulated users, methods, worlds, table."""
