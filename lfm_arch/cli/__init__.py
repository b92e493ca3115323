"""Words on a command line -> one call -> print. No logic."""
