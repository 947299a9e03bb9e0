"""From commit to Kafka: recorded events, the publisher and the relay."""
