"""What must not reach training data unseen: instructions to the model, secrets, personal data.

Belongs here: finding it (`screen`) and acting on what was found (`screen_example`). Does not belong here: whether an
example is right (resolve). Findings hold spans, never the text they found.
"""

from glow_pipelines.learning.datasets.screens.findings import Finding
from glow_pipelines.learning.datasets.screens.scan import screen
from glow_pipelines.learning.datasets.screens.screened import screen_example

__all__ = ["Finding", "screen", "screen_example"]
