"""One module per format: what its records mean as rows.

Belongs here: a `Parser` per format, with the version of the format it was checked against. Does not: reading files,
talking to the database.
"""
