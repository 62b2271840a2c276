"""The proof of telling: alarms, who should be told of them, and receivers that count what they are told."""
