"""Scores that are no plain means: MME's sum, MMT-Bench's meta-tasks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

PERCENT = 100.0
# MMT-Bench's 32 meta-tasks and their names in tables.
_META_TASKS = """
visual_recognition:VR localization:Loc ocr:OCR counting:Count hallucination:HLN image_retrieval:IR threed:3D
visual_captioning:VC visual_grounding:VG doc_understanding:DU action_recognition:AR pixel_level_perception:PLP
image-to-image_translation:I2IT relation_reasoning:RR intelligence_quotient_test:IQT emotion:Emo visual_illusion:VI
meme_understanding:MemU visual_prompt_understanding:VPU anomaly_detection:AND keypoint_detection:KD
visual_commonsense_reasoning:VCR image_evaluation_judgement:IEJ multiple_image_analysis:MIA cross_image_matching:CIM
temporal_understanding:TU visual_code:VP medical_understanding:MedU autonomous_driving:AUD
discipline_knowledge_reasoning:DKR embodied_ai:EA gui_navigation:GN
"""
META_TASKS = {name: short for name, _, short in (pair.partition(":") for pair in _META_TASKS.split())}


def mme_sum(rows: Iterable[tuple[str, str, float]]) -> float:
    """Return accuracy over questions plus accuracy over images with all of them right, summed over categories.

    A row is (category, image, credit). The most is 200 a category.
    """
    credits: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for category, image, credit in rows:
        credits[category][image].append(credit)
    questions = (_mean([credit for own in images.values() for credit in own]) for images in credits.values())
    pairs = (_mean([all(own) for own in images.values()]) for images in credits.values())
    return PERCENT * (sum(questions) + sum(pairs))


def mmt_scores(rows: Iterable[tuple[str, str, float]]) -> dict[str, float]:
    """Return `Overall`, the mean over rows, and for each meta-task the mean over its sub-tasks' means.

    A row is (meta-task, sub-task, credit).
    """
    credits: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    everything: list[float] = []
    for meta_task, sub_task, credit in rows:
        credits[meta_task][sub_task].append(credit)
        everything.append(credit)
    scores = {"Overall": _mean(everything)}
    for meta_task, sub_tasks in credits.items():
        scores[META_TASKS.get(meta_task, meta_task)] = _mean([_mean(values) for values in sub_tasks.values()])
    return scores


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
