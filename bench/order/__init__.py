"""What `make verify-order` is made of: a stream of every kind of fact, and what an installation makes of it."""
