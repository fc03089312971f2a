"""Kafka, outside of Faust: who may connect, topics, alerts and dead letters out, recordings in."""
