"""Pocket from nothing: Muon, dense slots and pointers beside next tokens; the paper's stages have none of these."""
