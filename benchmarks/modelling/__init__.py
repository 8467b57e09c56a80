"""What training models is worth, and what it costs."""
