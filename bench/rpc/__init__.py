"""Request-reply measured: an echo over Kafka, beside what a raw client does on the same machine."""
