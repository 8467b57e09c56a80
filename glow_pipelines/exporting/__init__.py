"""Dataset versions as files: `glow dataset export`.

Belongs here: writing files whole or not at all, going on where a killed export stopped, the card beside them. Does not:
what lines are (learning/datasets), reading rows (store).
"""
