"""Hardware profiles, and counts turned into seconds, joules and bytes.

A profile is what is known of a device, every number with its source. A calibration is what published measurements say a
runtime makes of it. `estimate` puts both under the counts of an architecture and says of every answer how it is known.
"""
