"""The special strings of the format; their ids come from the tokenizer file."""

IMAGE = "<image>"  # stands at every visual token of an image
REF, REF_END = "<|ref|>", "<|/ref|>"  # around a phrase
DET, DET_END = "<|det|>", "<|/det|>"  # around its boxes
GROUNDING = "<|grounding|>"  # asks for a grounded answer
USER, ASSISTANT = "<|User|>", "<|Assistant|>"
PAD = "<｜▁pad▁｜>"  # the pad token of the released files, for a tokenizer that names none

GROUNDING_MARKS = (REF, REF_END, DET, DET_END, GROUNDING)
ADDED_IN_ORDER = (IMAGE, *GROUNDING_MARKS, USER, ASSISTANT)  # the order in which they get their ids
