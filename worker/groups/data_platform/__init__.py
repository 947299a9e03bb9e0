"""The group `data-platform`: order events from the inbox to the data platform's HTTP API."""
