"""Benchmarks: what the workspace costs, side by side with git, in ratios. Run ``python -m tests.bench``."""
