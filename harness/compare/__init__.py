"""Numbers: metrics after ST Edge AI's validation report, tolerances, verdict."""
