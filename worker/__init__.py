"""The forwarding process: from the topic to the data platform."""
