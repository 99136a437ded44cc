"""Records: what people bring to train on, read row by row into Samples. All of it is hostile until read."""

from vl2.data.records.opened import RecordList, Verified, open_records, verify

__all__ = ["RecordList", "Verified", "open_records", "verify"]
