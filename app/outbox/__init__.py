"""The orders' outbox: its table, how rows are born, what operators do; kits/outbox brings them to Kafka."""
