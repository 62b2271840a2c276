"""The board: pages that show a city, an enterprise or a meter and keep themselves current, for a wall or a pocket."""
