"""From a query and its networks to problems, and back to an answer."""
