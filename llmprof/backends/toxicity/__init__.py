"""Toxicity scorers: services, local models and recorded scores."""
