"""Bridges: this model inside other people's harnesses. Each imports its harness only when that one asks for it."""
