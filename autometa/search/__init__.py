"""The search: trials in killable processes, an Optuna study around them, an ensemble at the end.

Kept light on purpose: worker processes import this package before they limit their threads.
"""
