"""What passes for a model on storage where nothing is trained."""

EMPTY = b"PK\x05\x06" + bytes(18)  # a zip archive of no files: its end-of-central-directory record
