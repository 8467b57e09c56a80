"""Training the embedding model itself on exported pairs, at whoever serves it.

Belongs here: reading pairs, the loss, the loop, the model folder. Does not: making or exporting pairs, deciding whether
the new model is used: it is another index and another configuration, which passes the gate like any other. torch and
transformers (extra `train`) are imported when training begins, never before.
"""
