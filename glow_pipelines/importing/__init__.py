"""Files of other products, and of one's own, into the database.

Belongs here: reading, making rows, sending them, what `glow import` prints. Does not: what is accepted, which the
functions of glow_api decide for every row the same as for an app's, and the tables (store/imports).
"""
