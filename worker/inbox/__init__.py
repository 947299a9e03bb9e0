"""The ordered queue between Kafka and a platform: received in one transaction, sent in order."""
