"""Sessions, the agent loop, models, capabilities, policy and sandbox."""
