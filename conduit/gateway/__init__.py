"""The one door of conduit: REST as RealWorld has it, and GraphQL, over the three services; no database."""
