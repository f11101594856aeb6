"""Generated scenarios: valid sequences of operations, and hostile ones, for every kind."""
