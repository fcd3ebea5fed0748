"""Models: bundles, what Keras says of them, and their form for each engine."""
