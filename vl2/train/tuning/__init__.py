"""Teach a trained model something new: from samples, from preferences, from rewards."""
