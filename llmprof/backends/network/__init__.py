"""Shared code of backends behind a network: transport, retries, rate limit, secrets."""
