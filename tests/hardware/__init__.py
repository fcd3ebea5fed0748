"""The suite for boards: `pytest --board netduino2plus tests/hardware`; repeat --board for several."""
