"""Faults of a tuning service, on purpose: a proxy before any server that speaks OpenAI's wire.

Belongs here: which faults there are, when one strikes, doing it at the socket. Does not: the service behind, whoever is
tested. Python's own libraries only: it runs where nothing of ours does.
"""
