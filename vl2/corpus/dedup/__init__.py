"""Dedup: the same text or picture again, exactly or nearly."""
