"""Images and chat to tokens and back: the only place where pixels and token ids meet."""

from vl2.processor.budget import ImageBudget
from vl2.processor.drawing import draw_boxes
from vl2.processor.grounding import Span, parse, render
from vl2.processor.images import ImageInput, ImageLimits, image_size, open_image
from vl2.processor.official import messages_from_text
from vl2.processor.processor import Processor
from vl2.processor.settings import ProcessorSettings
from vl2.processor.stream_decoder import StreamDecoder
from vl2.processor.tiling import Placement, TilingRule, fit
from vl2.processor.tokenizer import Tokenizer

__all__ = [
    "ImageBudget",
    "ImageInput",
    "ImageLimits",
    "Placement",
    "Processor",
    "ProcessorSettings",
    "Span",
    "StreamDecoder",
    "TilingRule",
    "Tokenizer",
    "draw_boxes",
    "fit",
    "image_size",
    "messages_from_text",
    "open_image",
    "parse",
    "render",
]
