"""The sample company: its agents, texts and people, and some weeks of their life.

Belongs here: everything invented. Does not: anything the product needs without the demo. The truth table (which answer
is right) decides what users and experts see as right, and is used for nothing else; no pipeline reads it.
"""
