"""The verbs: one room per story (routes → service → queries | emails). Rooms never import one another."""
