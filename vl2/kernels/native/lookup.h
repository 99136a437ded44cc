// Attention of one query straight over the cache, in parts of a fixed number of slots that threads share out. A slot
// holds what all heads keep of a token, so a part is read as one stream, and its sums are joined in one order.
#pragma once

#include <algorithm>

#include "simd.h"

namespace vl2 {

// The cache of one layer as a step sees it: rows of `width` values, found through the blocks of a sequence.
struct Cache {
    uint8_t* slots;  // [slots][width]
    int32_t is_bfloat16;
    int64_t width, block_size;

    int64_t place(const int32_t* table, int64_t position) const {
        return table[position / block_size] * block_size + position % block_size;
    }
    float value(int64_t slot, int64_t i) const {
        return is_bfloat16 ? widen(at<uint16_t>(slot)[i]) : at<float>(slot)[i];
    }
    template <class Value> Value* at(int64_t slot) const { return (Value*)slots + slot * width; }

    // Fill a slot from its start.
    void put(int64_t slot, const float* from) const {
        if (!is_bfloat16) {
            std::memcpy(at<float>(slot), from, width * sizeof(float));
            return;
        }
        uint16_t* to = at<uint16_t>(slot);
        int64_t i = 0;
        for (; i + LANES <= width; i += LANES) store(to + i, narrow16(load<F32>(from + i)));
        for (; i < width; i++) to[i] = narrow(from[i]);
    }
};

// Where keys and values stand in a slot: those of all heads in a row, or one that all heads share (latents).
struct Span {
    int heads;
    int64_t key, key_dim, value, value_dim;
    bool is_shared;

    int64_t part_size() const { return heads * (value_dim + 2); }
};

inline F32 read16(const float* from, int64_t left) { return load_some(from, left); }
inline F32 read16(const uint16_t* from, int64_t left) {
    if (left >= LANES) return widen16(from);
    F32 found = {};
    for (int64_t lane = 0; lane < left; lane++) found[lane] = widen(from[lane]);
    return found;
}

constexpr int64_t PART_SLOTS = 64;
inline int64_t num_parts(int64_t limit) { return (limit + PART_SLOTS - 1) / PART_SLOTS; }

// What a thread needs to look at a part.
class Lookup {
  public:
    // Look at the slots of part `number` below `limit`. queries [heads][key_dim] carry the scale; a part is, by head,
    // the largest score, the sum of e^(score - largest), and the values summed with these weights.
    void look(const Cache& cache, const int32_t* table, int64_t limit, int64_t number, const float* queries,
              const Span& at, float* part) {
        cache.is_bfloat16 ? look_at<uint16_t>(cache, table, limit, number, queries, at, part)
                          : look_at<float>(cache, table, limit, number, queries, at, part);
    }

  private:
    static constexpr int64_t AHEAD = 4;  // slots: each is a memory page of its own, which the processor does not foresee

    template <class Value>
    void look_at(const Cache& cache, const int32_t* table, int64_t limit, int64_t number, const float* queries,
                 const Span& at, float* part) {
        const int64_t first = number * PART_SLOTS, count = std::min(PART_SLOTS, limit - first);
        const Value* slots[PART_SLOTS + AHEAD];
        for (int64_t s = 0; s < count; s++) slots[s] = cache.at<Value>(cache.place(table, first + s));
        for (int64_t s = count; s < count + AHEAD; s++) slots[s] = slots[count - 1];
        split(queries, at.heads * at.key_dim);
        scores_.resize(at.heads * PART_SLOTS);
        const int64_t shared_heads = at.is_shared ? at.heads / 4 * 4 : 0, keys = at.is_shared ? 1 : at.heads;
        for (int64_t s = 0; s < count; s++) {
            call_for(slots[s + AHEAD] + at.key, keys * at.key_dim);
            const Value* key = slots[s] + at.key;
            for (int h = 0; h < shared_heads; h += 4) score<4>(key, queries, at.key_dim, h, s);
            for (int h = int(shared_heads); h < at.heads; h++)
                score<1>(key + (at.is_shared ? 0 : h * at.key_dim), queries, at.key_dim, h, s);
        }
        float *tops = part, *totals = part + at.heads, *out = part + 2 * at.heads;
        for (int h = 0; h < at.heads; h++) soften(scores_.data() + h * PART_SLOTS, count, tops + h, totals + h);
        std::memset(out, 0, at.heads * at.value_dim * sizeof(float));
        for (int64_t s = 0; s < count; s += 2) {
            call_for(slots[s + AHEAD] + at.value, keys * at.value_dim);
            call_for(slots[std::min(s + 1 + AHEAD, count)] + at.value, keys * at.value_dim);
            add(slots[s] + at.value, s + 1 < count ? slots[s + 1] + at.value : nullptr, s, at, out);
        }
    }

    template <class Value> static void call_for(const Value* from, int64_t count) {
        for (int64_t i = 0; i < count; i += 64 / int64_t(sizeof(Value))) __builtin_prefetch(from + i, 0, 1);
    }

    // Queries as two bfloat16 parts, so that products of pairs keep 16 bits of them.
    void split(const float* queries, int64_t count) {
        high_.resize(count), low_.resize(count);
        for (int64_t i = 0; i < count; i++) {
            high_[i] = narrow(queries[i]);
            low_[i] = narrow(queries[i] - widen(high_[i]));
        }
    }

    // Scores of HEADS heads that look at one key.
    template <int HEADS> void score(const uint16_t* key, const float* queries, int64_t dim, int head, int64_t s) {
        F32 total[HEADS] = {};
        int64_t d = 0;
        for (; d + 2 * LANES <= dim; d += 2 * LANES) {
            const U32 pairs = load<U32>(key + d);
            for (int h = 0; h < HEADS; h++) {
                total[h] = dot_pairs(total[h], pairs, load<U32>(high_.data() + (head + h) * dim + d));
                total[h] = dot_pairs(total[h], pairs, load<U32>(low_.data() + (head + h) * dim + d));
            }
        }
        finish(key, queries, dim, d, head, s, total);
    }

    template <int HEADS> void score(const float* key, const float* queries, int64_t dim, int head, int64_t s) {
        F32 total[HEADS] = {};
        finish(key, queries, dim, 0, head, s, total);
    }

    template <int HEADS, class Value>
    void finish(const Value* key, const float* queries, int64_t dim, int64_t d, int head, int64_t s, F32 (&total)[HEADS]) {
        for (; d < dim; d += LANES) {
            const F32 values = read16(key + d, dim - d);
            for (int h = 0; h < HEADS; h++) total[h] += load_some(queries + (head + h) * dim + d, dim - d) * values;
        }
        for (int h = 0; h < HEADS; h++) scores_[(head + h) * PART_SLOTS + s] = sum(total[h]);
    }

    static void soften(float* row, int64_t count, float* top, float* total) {
        for (int64_t s = count; s < PART_SLOTS; s++) row[s] = -INFINITY;
        F32 most = splat(-INFINITY), totals = {};
        for (int64_t s = 0; s < PART_SLOTS; s += LANES) {
            const F32 score = load<F32>(row + s);
            most = select(score > most, score, most);
        }
        *top = largest(most);
        for (int64_t s = 0; s < PART_SLOTS; s += LANES) {
            const F32 weight = exp16(load<F32>(row + s) - *top);
            store(row + s, weight);
            totals += weight;
        }
        *total = sum(totals);
    }

    // Add the values of two slots, or of the last one.
    template <class Value>
    void add(const Value* first, const Value* second, int64_t s, const Span& at, float* out) const {
        if (second == nullptr) second = first;  // its weight is 0: the row is filled up behind the last slot
        for (int h = 0; h < at.heads; h++, out += at.value_dim) {
            const float weight = scores_[h * PART_SLOTS + s], next = scores_[h * PART_SLOTS + s + 1];
            const int64_t from = at.is_shared ? 0 : h * at.value_dim;
            int64_t d = 0;
            for (; d + LANES <= at.value_dim; d += LANES)
                store(out + d, load<F32>(out + d) + weight * read16(first + from + d, LANES) +
                                   next * read16(second + from + d, LANES));
            for (; d < at.value_dim; d++)
                out[d] += weight * read16(first + from + d, 1)[0] + next * read16(second + from + d, 1)[0];
        }
    }

    std::vector<float> scores_;  // [heads][PART_SLOTS]
    std::vector<uint16_t> high_, low_;
};

// Join the parts of one query: out [heads][value_dim].
inline void join_parts(const float* parts, int64_t count, const Span& at, float* out) {
    for (int h = 0; h < at.heads; h++, out += at.value_dim) {
        float top = -INFINITY, total = 0;
        for (int64_t p = 0; p < count; p++) top = std::max(top, parts[p * at.part_size() + h]);
        std::memset(out, 0, at.value_dim * sizeof(float));
        for (int64_t p = 0; p < count; p++) {
            const float* part = parts + p * at.part_size();
            const float weight = std::exp(part[h] - top);
            const float* values = part + 2 * at.heads + h * at.value_dim;
            total += weight * part[at.heads + h];
            for (int64_t d = 0; d < at.value_dim; d++) out[d] += weight * values[d];
        }
        for (int64_t d = 0; d < at.value_dim; d++) out[d] /= total;
    }
}

}  // namespace vl2
