"""Profiles: who a user is to others, and who follows whom, with a copy of the users."""
