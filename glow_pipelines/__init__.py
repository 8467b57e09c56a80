"""Feedback in, better agents out."""
