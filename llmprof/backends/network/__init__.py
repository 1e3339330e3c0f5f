"""What all backends behind a network share: transport, retries, rate limit, secrets."""
