"""Sandbox: code and pages of strangers, run without network, files, time or memory to do harm."""
