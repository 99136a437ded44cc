// Choose K of E experts as vl2/model/moe.py does.
#pragma once

#include <algorithm>
#include <numeric>

#include "tiles.h"

namespace vl2 {

struct Routing {
    int32_t num_experts, top_k, is_sigmoid, normalises;
    int32_t groups, kept_groups, best_of_group;  // groups == kept_groups: no groups
    float outside, scaling;
};

struct Chosen {
    int64_t expert;
    float weight;
};

class Router {
  public:
    // logits [E] of one token, bias [E] or null; K choices, best first.
    const std::vector<Chosen>& choose(const Routing& routing, const float* logits, const float* bias) {
        const int count = routing.num_experts;
        scores_.assign(logits, logits + count);
        routing.is_sigmoid ? squash() : soften();
        wanted_ = scores_;
        if (bias != nullptr)
            for (int e = 0; e < count; e++) wanted_[e] += bias[e];
        if (routing.groups != routing.kept_groups) keep_best_groups(routing);
        order_.resize(count);
        std::iota(order_.begin(), order_.end(), 0);
        std::partial_sort(order_.begin(), order_.begin() + routing.top_k, order_.end(), [&](int a, int b) {
            return wanted_[a] != wanted_[b] ? wanted_[a] > wanted_[b] : a < b;
        });
        chosen_.clear();
        float total = 0;
        for (int k = 0; k < routing.top_k; k++) {
            chosen_.push_back({order_[k], scores_[order_[k]]});
            total += scores_[order_[k]];
        }
        const bool normalises = routing.normalises && routing.top_k > 1;
        for (Chosen& one : chosen_) one.weight *= (normalises ? 1.0f / (total + 1e-20f) : 1.0f) * routing.scaling;
        return chosen_;
    }

  private:
    void squash() {
        for (float& score : scores_) score = 1.0f / (1.0f + std::exp(-score));
    }

    void soften() {
        const float largest = *std::max_element(scores_.begin(), scores_.end());
        float total = 0;
        for (float& score : scores_) total += score = std::exp(score - largest);
        for (float& score : scores_) score /= total;
    }

    void keep_best_groups(const Routing& routing) {
        const int size = routing.num_experts / routing.groups;
        std::vector<float> best(routing.groups), sorted;
        for (int g = 0; g < routing.groups; g++) {
            sorted.assign(wanted_.begin() + g * size, wanted_.begin() + (g + 1) * size);
            std::sort(sorted.begin(), sorted.end(), std::greater<float>());
            best[g] = std::accumulate(sorted.begin(), sorted.begin() + std::min(size, routing.best_of_group), 0.0f);
        }
        std::vector<int> order(routing.groups);
        std::iota(order.begin(), order.end(), 0);
        std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return best[a] > best[b]; });
        for (int place = routing.kept_groups; place < routing.groups; place++)
            for (int e = 0; e < size; e++) wanted_[order[place] * size + e] = routing.outside;
    }

    std::vector<float> scores_, wanted_;
    std::vector<int> order_;
    std::vector<Chosen> chosen_;
};

}  // namespace vl2
