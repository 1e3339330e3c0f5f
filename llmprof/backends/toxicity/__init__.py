"""Scorers of toxicity: services, local models and recorded scores."""
