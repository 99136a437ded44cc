"""The processes of a run: started by torchrun, or one alone; on GPUs where there are some, else on the CPU."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist

from vl2.core.errors import ConfigError
from vl2.core.precision import Precision, computed_in

LOG = logging.getLogger(__name__)
FRESH_STORE = "TORCH_DISABLE_SHARE_RDZV_TCP_STORE"  # read by torchrun


@contextmanager
def process_group() -> Iterator[torch.device]:
    """Form the group of all processes and yield where this one computes.

    torchrun tells rank and world size by environment variables; without them this process is the whole group.
    Raises ConfigError where torchrun would restart processes in vain.
    """
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True" and os.environ["TORCHELASTIC_MAX_RESTARTS"] != "0":
        # restarted processes would read the addresses of the dead ones and wait for them (pytorch issue 135712)
        raise ConfigError(
            "--max-restarts", "needs a store that is fresh at each start", got=f"{FRESH_STORE} is not set",
            expected="1", do=f"export {FRESH_STORE}=1 on every machine and give --rdzv-backend c10d or --standalone.",
        )  # fmt: skip
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    else:
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", str(torch.get_num_threads()))))
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    if "WORLD_SIZE" in os.environ:
        dist.init_process_group(backend)
    else:
        dist.init_process_group(backend, store=dist.HashStore(), rank=0, world_size=1)
    try:
        yield device
    finally:
        dist.destroy_process_group()


def precision_of_all(asked: Precision, device: torch.device) -> Precision:
    """Return what the whole group computes in: float32 as soon as one process does (`computed_in`).

    Ranks that compute differently would each hold another model. Call it in every process; alone it is `computed_in`.
    """
    own = computed_in(asked, device)
    if not dist.is_initialized():
        return own
    is_half = torch.tensor(int(own == "bfloat16"), device=device)
    dist.all_reduce(is_half, dist.ReduceOp.MIN)
    if own == "bfloat16" and not is_half:
        LOG.warning("A processor of this run does not multiply bfloat16: computing in float32.")
        return "float32"
    return own
