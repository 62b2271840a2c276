"""The simulator: a demo city with real and simulated meters, played through the gateway on a clock of its own."""
