// Routed experts that learn: all of one expert's work, forward or back, in one piece, in bfloat16 on the tile unit.
#pragma once

#include <memory>

#include "pool.h"
#include "products.h"

namespace vl2 {

// M rows are choices of tokens, sorted by expert: those of expert e end before row ends[e].
struct LearnedExperts {
    const uint16_t* x;      // [N][width]
    const int64_t* tokens;  // [M]
    const float* weights;   // [M]
    const int64_t* ends;    // [experts]
    const uint16_t *gate, *up, *down;  // [experts][hidden][width], down [experts][width][hidden]
    uint16_t *gated, *raised;          // [M][hidden], what gates and ups gave; null where nothing is kept
    int64_t num_experts, width, hidden;
};

// Gradients; null where none is asked for.
struct LearnedGradients {
    uint16_t *gate, *up, *down;  // as the weights
    uint16_t* x;                 // [M][width]
    float* weights;              // [M]
};

#if VL2_TILE_UNIT

class ExpertLearner {
  public:
    ExpertLearner(const LearnedExperts& all, bool goes_back) : all_(all) {
        int64_t most = 0;
        for (int64_t e = 0; e < all.num_experts; e++) most = std::max(most, all.ends[e] - begin_of(all, e));
        most = whole_steps(most) * PANEL;
        const int64_t longest = std::max(most, std::max(all.width, all.hidden));
        const int64_t rows = most * (all.width * (goes_back ? 3 : 1) + all.hidden * (goes_back ? 5 : 1));
        room_.reset(new uint16_t[rows + 2 * longest * PANEL + PANEL]);
        next_ = room_.get() + (64 - reinterpret_cast<uintptr_t>(room_.get()) % 64) % 64 / sizeof(uint16_t);
        first_panel_ = take(longest, PANEL).data, second_panel_ = take(longest, PANEL).data;
        inputs_ = take(most, all.width), hidden_ = take(most, all.hidden);
        if (!goes_back) return;
        came_ = take(most, all.width), upright_came_ = take(all.width, most);
        gated_grad_ = take(most, all.hidden), upright_gated_ = take(all.hidden, most);
        raised_grad_ = take(most, all.hidden), upright_raised_ = take(all.hidden, most);
    }

    // out [M][width]: the rows of this expert.
    void forward(int64_t expert, uint16_t* out) {
        if (!open(expert)) return;
        gather(all_.x, inputs_);
        for (int64_t f = 0; f < hidden(); f += PANEL) open_panel(f);
        for (int64_t d = 0; d < width(); d += PANEL) {
            pack_rows(down() + d * hidden(), hidden(), hidden(), first_panel_);
            const Factor factor{hidden_, first_panel_, hidden_.steps};
            multiply_into(&factor, 1, rows_, out + begin_ * width() + d, width());
        }
    }

    // grad [N][width] is that of the sums over each token's choices.
    void backward(int64_t expert, const uint16_t* grad, const LearnedGradients& found) {
        if (!open(expert)) return;
        gather(grad, came_);
        for (int64_t row = 0; row < rows_; row++) found.weights[begin_ + row] = 0;
        for (int64_t f = 0; f < hidden(); f += PANEL) return_panel(f, found.weights + begin_);
        if (found.x != nullptr) learn_inputs(found.x + begin_ * width());
        if (found.gate != nullptr || found.up != nullptr) learn_openings(found);
        if (found.down != nullptr) learn_down(found.down + weight_at_);
    }

  private:
    static int64_t begin_of(const LearnedExperts& all, int64_t expert) { return expert ? all.ends[expert - 1] : 0; }

    bool open(int64_t expert) {
        begin_ = begin_of(all_, expert), rows_ = all_.ends[expert] - begin_;
        weight_at_ = expert * width() * hidden();
        return rows_ > 0;
    }

    void gather(const uint16_t* from, const Blocks& to) const {
        for (int64_t row = 0; row < rows_; row++) {
            const uint16_t* token = from + all_.tokens[begin_ + row] * width();
            for (int64_t d = 0; d < width(); d += PANEL) std::memcpy(to.at(row, d), token + d, 2 * PANEL);
        }
    }

    // 32 columns of the hidden layer: silu(gate x) * up x, by weight.
    void open_panel(int64_t f) {
        pack_rows(all_.gate + weight_at_ + f * width(), width(), width(), first_panel_);
        pack_rows(all_.up + weight_at_ + f * width(), width(), width(), second_panel_);
        const Factor gate{inputs_, first_panel_, inputs_.steps}, up{inputs_, second_panel_, inputs_.steps};
        alignas(64) float raised[PANEL * PANEL];
        multiply_rows(&gate, 1, rows_, [&](int64_t first, int num, const float* gated) {
            multiply_block(&up, 1, first, num, raised);
            for (int i = 0; i < num; i++)
                for (int half = 0; half < PANEL; half += LANES)
                    open_lanes(first + i, f + half, gated + i * PANEL + half, raised + i * PANEL + half);
        });
    }

    void open_lanes(int64_t row, int64_t column, const float* gated, const float* raised) {
        const U16 gate = narrow16(load<F32>(gated)), up = narrow16(load<F32>(raised));
        const int64_t at = (begin_ + row) * hidden() + column;
        if (all_.gated != nullptr) store(all_.gated + at, gate), store(all_.raised + at, up);
        const F32 value = silu(widen16((const uint16_t*)&gate)) * widen16((const uint16_t*)&up);
        store(hidden_.at(row, column), narrow16(value * all_.weights[begin_ + row]));
    }

    // 32 columns of the hidden layer on the way back, and what they add to the gradients of the tokens' weights.
    void return_panel(int64_t f, float* weights_grad) {
        const Columns weights{down(), hidden(), f};
        pack_columns(width(), first_panel_, [&](int64_t d) { return weights.at(d); });
        const Factor factor{came_, first_panel_, came_.steps};
        multiply_rows(&factor, 1, rows_, [&](int64_t first, int num, const float* block) {
            for (int i = 0; i < num; i++) {
                F32 share = {};
                for (int half = 0; half < PANEL; half += LANES)
                    share += return_lanes(first + i, f + half, load<F32>(block + i * PANEL + half));
                weights_grad[first + i] += sum(share);
            }
        });
    }

    F32 return_lanes(int64_t row, int64_t column, F32 came) {
        const int64_t at = (begin_ + row) * hidden() + column;
        const float weight = all_.weights[begin_ + row];
        const F32 gated = widen16(all_.gated + at), raised = widen16(all_.raised + at), weighed = came * weight;
        const F32 sigmoid = 1.0f / (1.0f + exp16(-gated)), opened = gated * sigmoid;
        store(hidden_.at(row, column), narrow16(opened * raised * weight));
        store(raised_grad_.at(row, column), narrow16(weighed * opened));
        const F32 slope = sigmoid * (1.0f + gated * (1.0f - sigmoid));  // of silu
        store(gated_grad_.at(row, column), narrow16(weighed * raised * slope));
        return came * opened * raised;
    }

    void learn_inputs(uint16_t* found) {
        for (int64_t d = 0; d < width(); d += PANEL) {
            const Columns gate{all_.gate + weight_at_, width(), d}, up{all_.up + weight_at_, width(), d};
            pack_columns(hidden(), first_panel_, [&](int64_t f) { return gate.at(f); });
            pack_columns(hidden(), second_panel_, [&](int64_t f) { return up.at(f); });
            const Factor factors[2] = {{gated_grad_, first_panel_, gated_grad_.steps},
                                       {raised_grad_, second_panel_, raised_grad_.steps}};
            multiply_into(factors, 2, rows_, found + d, width());
        }
    }

    void learn_openings(const LearnedGradients& found) {
        gather(all_.x, inputs_);
        transpose(gated_grad_, rows_, upright_gated_);
        transpose(raised_grad_, rows_, upright_raised_);
        for (int64_t d = 0; d < width(); d += PANEL) {
            pack_columns(rows_, first_panel_, [&](int64_t row) { return inputs_.at(row, d); });
            const Factor gate{upright_gated_, first_panel_, whole_steps(rows_)};
            const Factor up{upright_raised_, first_panel_, whole_steps(rows_)};
            if (found.gate != nullptr) multiply_into(&gate, 1, hidden(), found.gate + weight_at_ + d, width());
            if (found.up != nullptr) multiply_into(&up, 1, hidden(), found.up + weight_at_ + d, width());
        }
    }

    void learn_down(uint16_t* found) {
        transpose(came_, rows_, upright_came_);
        for (int64_t f = 0; f < hidden(); f += PANEL) {
            pack_columns(rows_, first_panel_, [&](int64_t row) { return hidden_.at(row, f); });
            const Factor factor{upright_came_, first_panel_, whole_steps(rows_)};
            multiply_into(&factor, 1, width(), found + f, hidden());
        }
    }

    Blocks take(int64_t rows, int64_t columns) {
        const Blocks taken{next_, columns / PANEL};
        next_ += rows * columns;
        return taken;
    }

    int64_t width() const { return all_.width; }
    int64_t hidden() const { return all_.hidden; }
    const uint16_t* down() const { return all_.down + weight_at_; }

    const LearnedExperts& all_;
    int64_t begin_ = 0, rows_ = 0, weight_at_ = 0;  // of the expert that is open
    std::unique_ptr<uint16_t[]> room_;
    uint16_t* next_ = nullptr;
    uint16_t *first_panel_ = nullptr, *second_panel_ = nullptr;
    Blocks inputs_{}, came_{};                               // [rows][width]
    Blocks hidden_{}, gated_grad_{}, raised_grad_{};         // [rows][hidden]
    Blocks upright_came_{}, upright_gated_{}, upright_raised_{};  // [width or hidden][rows]
};

// Experts one after the other, each whole in one thread.
template <class Learn> void each_expert(const LearnedExperts& all, bool goes_back, const Learn& learn) {
    std::vector<std::unique_ptr<ExpertLearner>> learners(Pool::shared().num_threads());
    parallel_for(all.num_experts, 1, [&](int64_t begin, int64_t end, int thread) {
        auto& learner = learners[thread];
        if (!learner) learner = std::make_unique<ExpertLearner>(all, goes_back);
        for (int64_t expert = begin; expert < end; expert++) learn(*learner, expert);
        _mm_sfence();  // what went past the caches is seen before the others are told
    });
}

#endif

}  // namespace vl2
