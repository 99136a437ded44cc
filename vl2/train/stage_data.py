"""The data of a stage: the training stream of this process, a look at held-out samples, and batches made ready."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F

from vl2.core.batch import IGNORE_INDEX, PADDING, Batch
from vl2.data.packing import PackLimits
from vl2.data.records import RecordList, open_records
from vl2.data.stream import Source, StreamSettings, TrainingStream
from vl2.parallel.apply import ParallelModel
from vl2.processor import Processor
from vl2.train.stages import STAGES
from vl2.train.train_config import TrainConfig

PIPELINE_LENGTH_STEP = 512  # of unpacked rows: each length takes schedules of its own, which are kept


def open_stream(config: TrainConfig, processor: Processor, rank: int, num_lanes: int) -> TrainingStream:
    """Return the stream of a data-parallel process. Raises VL2Error on data that cannot be read."""
    sources = [
        Source(name=name, share=share, records=open_records(name)) for name, share in sorted(config.data.items())
    ]
    return _stream(sources, config, processor, rank, num_lanes)


def held_out_batches(records: RecordList, config: TrainConfig, processor: Processor, rank: int) -> tuple[Batch, ...]:
    """Return this process's part of as many held-out rows as a step has, always the same; few samples come again."""
    source = Source(name="held out", share=1.0, records=records)
    with _stream([source], config, processor, rank, config.data_parallel) as stream:
        return next(stream).batches


def _stream(
    sources: Sequence[Source], config: TrainConfig, processor: Processor, rank: int, num_lanes: int
) -> TrainingStream:
    row = config.row
    settings = StreamSettings(
        rows_per_step=row.batch_size,
        num_lanes=num_lanes,
        rows_per_batch=config.microbatch,
        limits=PackLimits(tokens=row.sequence_length, tiles=config.pack_tiles),
        is_packed=row.is_packed,
        mask_prompt=STAGES[row.stage].supervises == "answers",
        seed=config.seed,
        num_workers=config.num_workers,
    )
    return TrainingStream(sources, processor, settings, rank=rank, world_size=config.data_parallel)


def ready(batches: Sequence[Batch], model: ParallelModel) -> list[Batch]:
    """Return the microbatches of a step where they are computed; those of a pipeline have one length."""
    length = max(batch.input_ids.shape[1] for batch in batches)
    if model.plan.pp > 1 and any(batch.input_ids.shape[1] != length for batch in batches):
        length += -length % PIPELINE_LENGTH_STEP
        batches = [_lengthened(batch, length) for batch in batches]
    return [batch.to(model.meshes.device) for batch in batches]


def _lengthened(batch: Batch, length: int) -> Batch:
    assert batch.labels is not None  # those of training have them
    missing = (0, length - batch.input_ids.shape[1])

    def filled(values: torch.Tensor, fill: int) -> torch.Tensor:
        return F.pad(values, missing, value=fill)  # [B, length]

    return replace(
        batch,
        input_ids=filled(batch.input_ids, 0),
        positions=filled(batch.positions, 0),
        documents=filled(batch.documents, PADDING),
        image_mask=filled(batch.image_mask, 0),
        labels=filled(batch.labels, IGNORE_INDEX),
    )
