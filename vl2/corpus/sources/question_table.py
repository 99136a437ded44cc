"""The sets of questions, with their fields."""

from __future__ import annotations

from vl2.corpus.sources.questions import (
    open_docvqa,
    open_entries,
    open_iconqa,
    open_textvqa,
    open_vqav2,
    read_docvqa,
    read_gqa,
    read_iconqa,
    read_kvqa,
    read_scienceqa,
    read_textvqa,
    read_vqav2,
)
from vl2.corpus.sources.rows import open_records_of
from vl2.corpus.sources.source_format import SourceFormat

QUESTIONS = {
    "textvqa": SourceFormat(
        open_rows=open_textvqa, read=read_textvqa, licence="CC-BY-4.0", url="https://textvqa.org",
        fields={"question_id": "number", "question": "text", "image_id": "text", "image_width": "number",
                "image_height": "number", "answers": "list", "ocr": "list?", "question_tokens": "list?",
                "image_classes": "list?", "flickr_original_url": "text?", "flickr_300k_url": "text?",
                "set_name": "text?"},
    ),
    "docvqa": SourceFormat(
        open_rows=open_docvqa, read=read_docvqa, licence="unknown", url="https://www.docvqa.org",
        fields={"questionId": "number", "question": "text", "image": "text", "docId": "number?", "answers": "list",
                "ucsf_document_id": "text?", "ucsf_document_page_no": "any?", "data_split": "text",
                "question_types": "list?"},
    ),
    "vqav2": SourceFormat(
        open_rows=open_vqav2, read=read_vqav2, licence="CC-BY-4.0", url="https://visualqa.org",
        fields={"question_id": "number", "question": "text", "image_id": "number", "annotations": "list",
                "subset": "text"},
    ),
    "gqa": SourceFormat(
        open_rows=open_entries, read=read_gqa, licence="CC-BY-4.0", url="https://cs.stanford.edu/people/dorarad/gqa",
        fields={"key": "text", "question": "text", "answer": "text", "fullAnswer": "text?", "imageId": "text",
                "semantic": "list?", "semanticStr": "text?", "entailed": "list?", "equivalent": "list?",
                "isBalanced": "boolean?", "groups": "mapping?", "types": "mapping?", "annotations": "mapping?"},
    ),
    "kvqa": SourceFormat(
        open_rows=open_entries, read=read_kvqa, licence="unknown", url="https://malllabiisc.github.io/resources/kvqa",
        fields={"key": "text", "imgPath": "text", "wikiCap": "text?", "Questions": "list", "Answers": "list",
                "NamedEntities": "list?", "split": "any?", "Qids": "list?", "Type of Question": "list?",
                "ParaQuestions": "list?"},
    ),
    "iconqa": SourceFormat(
        open_rows=open_iconqa, read=read_iconqa, licence="CC-BY-NC-SA-4.0", url="https://iconqa.github.io",
        fields={"file": "text", "question": "text", "answer": "any", "choices": "list?", "ques_type": "text?",
                "grade": "any?", "label": "any?", "unit": "any?", "choice_type": "text?", "skills": "list?"},
    ),
    "scienceqa": SourceFormat(
        open_rows=open_records_of, read=read_scienceqa, licence="CC-BY-NC-SA-4.0", url="https://scienceqa.github.io",
        fields={"image": "image?", "question": "text", "choices": "list", "answer": "number", "hint": "text?",
                "task": "text?", "grade": "text?", "subject": "text?", "topic": "text?", "category": "text?",
                "skill": "text?", "lecture": "text?", "solution": "text?"},
    ),
}  # fmt: skip
