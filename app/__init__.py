"""The order service: takes orders over HTTP and publishes their events."""
