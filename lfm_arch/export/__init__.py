"""Models out to other runtimes and in from them: Hugging Face both ways.

What a foreign family is stands in `families/`: one file each, a table of its configuration's keys and two functions,
configuration -> architecture and back. Nothing else knows a family's name.
"""
