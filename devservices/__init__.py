"""Development services: real PostgreSQL and Kafka without Docker, and the two commands that use them."""
