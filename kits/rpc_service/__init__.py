"""RPC service kit: a process that only answers requests over Kafka: commands, start and end, faults."""
