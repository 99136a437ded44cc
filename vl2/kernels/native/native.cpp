// The C interface. Sizes and addresses are checked by the Python side (vl2/kernels/native/*.py) before they come here.
#include "language.h"
#include "learned_attention.h"
#include "learned_experts.h"
#include "vision.h"

using namespace vl2;

namespace {

std::mutex one_at_a_time;  // the threads and the room for intermediate values are shared

void all_rows(const Weight& weight, const float* x, int64_t rows, float* y) {
    static Packed packed;
    pack(packed, weight, rows, [&](int64_t row) { return x + row * weight.num_inputs; });
    multiply(weight, packed, [&](int64_t row, int64_t first, F32 value) {
        const int64_t left = weight.rows - first;
        if (weight.bias != nullptr) value += load_some(weight.bias + first, left);
        store_some(y + row * weight.rows + first, value, left);
    });
}

}  // namespace

extern "C" {

void vl2_set_threads(int32_t count) {
    std::lock_guard<std::mutex> lock(one_at_a_time);
    has_tile_unit();  // before the threads start that may use it
    Pool::shared().resize(count);
}

// y [rows][weight.rows] = weight * x [rows][weight.num_inputs] + bias
void vl2_multiply(const Weight* weight, const float* x, int64_t rows, float* y) {
    std::lock_guard<std::mutex> lock(one_at_a_time);
    all_rows(*weight, x, rows, y);
}

// y [rows][width] = the weighted sum of the chosen experts; ids, weights [rows][top_k]
void vl2_experts(const MlpWeights* mlp, const float* x, const int64_t* ids, const float* weights, int64_t rows,
                 int64_t num_experts, int64_t top_k, float* y) {
    std::lock_guard<std::mutex> lock(one_at_a_time);
    static Experts experts;
    experts.clear();
    for (int64_t e = 0; e < num_experts; e++) {
        Group* group = nullptr;
        for (int64_t i = 0; i < rows * top_k; i++) {
            if (ids[i] != e) continue;
            if (group == nullptr) group = &experts.add(*mlp, e);
            group->tokens.push_back(i / top_k);
            group->counts.push_back(weights[i]);
        }
    }
    const int64_t width = mlp->gate.num_inputs;
    std::memset(y, 0, rows * width * sizeof(float));
    experts.run(x, y, width);
}

int32_t vl2_has_tile_unit() { return has_tile_unit(); }

// Only with a tile unit. out [M][width], before the sum over a token's choices.
void vl2_learned_forward(const LearnedExperts* experts, uint16_t* out) {
    std::lock_guard<std::mutex> lock(one_at_a_time);
#if VL2_TILE_UNIT
    each_expert(*experts, false, [&](ExpertLearner& learner, int64_t expert) { learner.forward(expert, out); });
#else
    (void)experts, (void)out;
#endif
}

// Only with a tile unit. grad [N][width].
void vl2_learned_backward(const LearnedExperts* experts, const uint16_t* grad, const LearnedGradients* found) {
    std::lock_guard<std::mutex> lock(one_at_a_time);
#if VL2_TILE_UNIT
    each_expert(*experts, true,
                [&](ExpertLearner& learner, int64_t expert) { learner.backward(expert, grad, *found); });
#else
    (void)experts, (void)grad, (void)found;
#endif
}

void vl2_attention_forward(const LearnedAttention* all) {
    std::lock_guard<std::mutex> lock(one_at_a_time);
    each_head(*all, [](AttentionLearner& learner, const Document& document, int64_t head) { learner.forward(document, head); });
}

void vl2_attention_backward(const LearnedAttention* all, const AttentionGradients* grads) {
    std::lock_guard<std::mutex> lock(one_at_a_time);
    each_head(*all, [&](AttentionLearner& learner, const Document& document, int64_t head) { learner.backward(document, head, *grads); });
}

// out [count][value_dim]; queries [count][key_dim], keys [slots][key_dim], values [slots][value_dim]; query i sees
// the first limits[i] slots
void vl2_attention(int32_t format, const float* queries, const float* keys, const float* values, const int64_t* limits,
                   int64_t count, int64_t slots, int64_t key_dim, int64_t value_dim, float* out) {
    std::lock_guard<std::mutex> lock(one_at_a_time);
    static Head head;
    head.fill(
        Format(format), slots, key_dim, value_dim, [&](int64_t s, int64_t d) { return keys[s * key_dim + d]; },
        [&](int64_t s, int64_t d) { return values[s * value_dim + d]; });
    head.attend(
        count, [&](int64_t i) { return queries + i * key_dim; }, [&](int64_t i) { return limits[i]; },
        [&](int64_t i) { return out + i * value_dim; });
}

// Returns 0, and has computed nothing, when a block table leads out of the cache.
int32_t vl2_language(const Language* model, const Step* step) {
    if (!fits_cache(*step)) return 0;
    std::lock_guard<std::mutex> lock(one_at_a_time);
    static LanguageRun run;
    run.run(*model, *step);
    if (step->head != nullptr) all_rows(*step->head, step->x, step->num_rows, step->logits);
    return 1;
}

void vl2_vision(const Vision* model, float* x, int64_t tiles) {
    std::lock_guard<std::mutex> lock(one_at_a_time);
    static VisionRun run;
    run.run(*model, x, tiles);
}

// Read memory as fast as the threads can; returns a sum that keeps the reads from being left out.
float vl2_read(const float* from, int64_t count) {
    std::lock_guard<std::mutex> lock(one_at_a_time);
    std::atomic<int32_t> total{0};
    parallel_for(count / LANES, 1 << 14, [&](int64_t begin, int64_t end, int) {
        I32 seen = {};
        each_bundle(begin, end, tiles_at_once(BFLOAT16, 1), BFLOAT16, [&](const Bundle& bundle) {
            for (int i = 0; i < bundle.count; i++) {
                const float* at = from + bundle[i] * LANES;
                if (calls_ahead(BFLOAT16, bundle.count)) __builtin_prefetch((const uint8_t*)at + AHEAD);
                seen ^= load<I32>(at);
            }
        });
        int32_t all = 0;
        for (int lane = 0; lane < LANES; lane++) all ^= seen[lane];
        total ^= all;
    });
    return float(total.load());
}
}
