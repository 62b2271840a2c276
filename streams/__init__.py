"""The computation: pure domain, thin agents, stores."""
