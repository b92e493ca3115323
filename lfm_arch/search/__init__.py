"""Search: a space, hardware and budgets in; measured candidates, their Pareto set and a report out. Knows Optuna."""
