"""From a change of behaviour to the commit that made it."""
