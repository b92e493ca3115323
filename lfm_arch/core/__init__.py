"""What every room may know: errors with places, units, workloads, costs, state slots, tensor types. No torch."""
