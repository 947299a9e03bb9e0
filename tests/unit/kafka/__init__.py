"""Unit: the rules of the Kafka kit, without a broker."""
