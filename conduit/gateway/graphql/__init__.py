"""The GraphQL door: partial answers from the same use cases."""
