"""The embedded models: a real small chat model and a real embedding model behind an OpenAI-compatible endpoint.

Belongs here: finding the weights, serving them, keeping one server alive for all processes. Does not: anything that
calls them (they are called like any other endpoint).
"""
