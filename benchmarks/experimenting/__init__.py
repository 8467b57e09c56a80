"""Parts of benchmarks/experiments.py: worlds whose truth is known, simulations V1–V18, baselines, and real data."""
