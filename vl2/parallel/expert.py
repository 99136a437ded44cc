"""Expert parallelism: tokens travel to the processes that hold their experts, and back (paper, section 4.2)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor

from vl2.kernels import Backends
from vl2.model.moe import MoE, RoutedExperts, Routing
from vl2.parallel.exchange import all_to_all


def share_experts(moe: MoE, ep: DeviceMesh, tp: DeviceMesh) -> None:
    """Leave each process of `ep` its experts, and let tokens find them.

    Processes of `tp` hold the same tokens, so each sends a share of them.
    """
    experts = moe.routed_experts
    if ep.size() > 1:
        for name, weight in list(experts.named_parameters()):
            # every process has all experts: nothing to send
            own = distribute_tensor(weight.data, ep, [Shard(0)], src_data_rank=None)
            experts.register_parameter(name, nn.Parameter(own, requires_grad=weight.requires_grad))
    experts.forward = partial(_run_own, experts)
    moe.dispatch = partial(_dispatch, experts, ep=ep, tp=tp)


def _dispatch(
    experts: RoutedExperts, x: Tensor, routing: Routing, backends: Backends, *, ep: DeviceMesh, tp: DeviceMesh
) -> Tensor:
    """Return the weighted sum of the chosen experts [N, D] for x [N, D], wherever they are."""
    if tp.size() == 1:
        return _send_and_sum(experts, x, routing, backends, ep)
    share = replace(routing, topk_ids=_own_rows(routing.topk_ids, tp), topk_weights=_own_rows(routing.topk_weights, tp))
    out = _send_and_sum(experts, _own_rows(x, tp), share, backends, ep)
    whole = DTensor.from_local(out, tp, [Shard(0)], run_check=False, shape=x.shape, stride=x.stride())
    return whole.redistribute(tp, [Replicate()]).to_local()  # [N, D]


def _own_rows(x: Tensor, tp: DeviceMesh) -> Tensor:
    """Return this process's share of rows that all have."""
    return DTensor.from_local(x, tp, [Replicate()], run_check=False).redistribute(tp, [Shard(0)]).to_local()


def _send_and_sum(experts: RoutedExperts, x: Tensor, routing: Routing, backends: Backends, ep: DeviceMesh) -> Tensor:
    if ep.size() == 1:
        return experts(x, routing, backends)
    top_k, num_experts = routing.topk_ids.shape[1], routing.scores.shape[1]
    order = routing.topk_ids.flatten().argsort(stable=True)  # [N*K]
    counts = routing.topk_ids.flatten().bincount(minlength=num_experts).view(ep.size(), -1)
    came = torch.empty_like(counts)
    dist.all_to_all_single(came, counts, group=ep.get_group())
    sends, receives = counts.sum(1).tolist(), came.sum(1).tolist()
    rows = all_to_all(x.index_select(0, order // top_k), sends, receives, ep.get_group())
    out = all_to_all(experts(rows, _given(came, rows), backends), receives, sends, ep.get_group())  # [N*K, D]
    weighted = out.float() * routing.topk_weights.flatten()[order, None]  # [N*K, D]
    total = torch.zeros(x.shape, dtype=torch.float32, device=x.device)  # [N, D]
    return total.index_add(0, order // top_k, weighted).to(x.dtype)  # [N, D]


def _given(came: Tensor, rows: Tensor) -> Routing:
    """Return the routing of rows that came for own experts: by sender, then expert. Their weight stays behind."""
    own = torch.arange(came.shape[1], device=came.device).repeat(len(came))
    ids = own.repeat_interleave(came.flatten(), output_size=len(rows))[:, None]
    ones = torch.ones(ids.shape, dtype=torch.float32, device=ids.device)
    return Routing(scores=ones, topk_ids=ids, topk_weights=ones)


def _run_own(experts: RoutedExperts, x: Tensor, routing: Routing, backends: Backends) -> Tensor:
    gate, up, down = (
        weight.to_local() if isinstance(weight, DTensor) else weight
        for weight in (experts.gate, experts.up, experts.down)
    )
    if len(x):
        return backends.experts(x, routing.topk_ids, routing.topk_weights, gate, up, down)
    # nobody sent a token: a blank one keeps the weights in the graph, for all processes reduce their gradients
    ids, weights = routing.topk_ids.new_zeros(1, 1), routing.topk_weights.new_ones(1, 1)
    blank = torch.cat((x, x.new_zeros(1, x.shape[1])))
    return backends.experts(blank, ids, weights, gate, up, down)[:0]
