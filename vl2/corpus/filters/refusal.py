"""Refusal: an answer that declines, or says that it sees no image."""

from __future__ import annotations

import re

LOOK = 240  # characters; later, a text may well speak of what somebody cannot do
_REFUSALS = re.compile(
    r"""(?ix)
    \b(?:i'?\ ?a?m\ )?(?:sorry|i\ apologi[sz]e|my\ apologies)\b[^.!?\n]{0,60}?
      \b(?:can(?:not|'t|’t)|unable|not\ able|won't|don't\ have|do\ not\ have|but\ i)
    | \bi(?:\ am|'m|’m)\ (?:unable|not\ able)\ to
      \ (?:assist|help|view|see|access|identify|provide|process|answer|analy[sz]e|open)
    | \bi\ (?:can(?:not|'t|’t)|won't|do\ not|don't|must\ decline\ to)\ (?:\w+\ ){0,2}?
      (?:assist|help\ (?:with|you)|view|see\ (?:the|any|an)\ (?:image|picture|photo)|comply|fulfil+
      |access\ (?:the|any)\ image|process\ images|provide\ (?:that|this)
      |identify\ (?:people|the\ person|individuals|real))
    | \b(?:no|without\ an?)\ (?:image|picture|photo)\ (?:was|is|has\ been)
      \ (?:provided|attached|given|uploaded|included)
    | \bplease\ (?:provide|upload|attach|share)\ (?:the|an|a)\ (?:image|picture|photo)
    | (?:抱歉|对不起|很遗憾)[^。！？\n]{0,24}?(?:无法|不能|没办法|没有办法|未能|不便|看不到)
    | 我(?:无法|不能|没办法|没有办法)(?:直接)?(?:查看|看到|识别|提供|回答|协助|帮助|访问|处理|分析|满足|打开)
    | (?:没有|未)(?:提供|收到|上传|看到)(?:任何|相关)?(?:图片|图像|照片)
    | 请(?:您|你)?(?:提供|上传|发送)(?:一张|相关|您的)?(?:图片|图像|照片)
    """
)


def refusal(answer: str) -> dict[str, float]:
    """Return whether an answer declines, 0 or 1."""
    return {"declines": float(_REFUSALS.search(answer[:LOOK]) is not None)}
