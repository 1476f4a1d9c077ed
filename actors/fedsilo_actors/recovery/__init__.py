"""Recovery: actors started, restarted after a failure, and moved to other resources."""
