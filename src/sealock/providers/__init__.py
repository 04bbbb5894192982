"""Where code comes from. Each provider is a stranger to the others."""
