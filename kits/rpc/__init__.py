"""Request-reply and events over Kafka, on NestJS's wire: patterns, a client, and a server for controllers."""
