// Attention of one query straight over the cache, in parts of a fixed number of slots that threads share out. A slot
// holds what all heads keep of a token. The sums of parts are joined in one order.
#pragma once

#include "own_lookup.h"
#include "shared_lookup.h"

namespace vl2 {

constexpr int64_t PART_SLOTS = 32;
inline int64_t num_parts(int64_t limit) { return (limit + PART_SLOTS - 1) / PART_SLOTS; }

// What a thread needs to look at parts.
class Lookup {
  public:
    // Whom the parts that follow are for. All three must stay until then.
    void ask(const Cache& cache, const Span& at, const float* queries) { queries_.set(cache, at, queries); }

    // Look at the slots of part `number` below `limit`. A part is, by head, the largest score, the sum of
    // e^(score - largest), and the values summed with these weights.
    void look(const int32_t* table, int64_t limit, int64_t number, float* part) {
        const int64_t first = number * PART_SLOTS, count = std::min(limit - first, PART_SLOTS);
        find(table, first, limit - 1);
        switch (queries_.cache->format) {
            case INT8: return look_at<int8_t>(count, part);
            case BFLOAT16: return look_at<uint16_t>(count, part);
            default: return look_at<float>(count, part);
        }
    }

  private:
    static constexpr int MOST_AHEAD = std::max(OwnLookup::AHEAD_SLOTS, SharedLookup::SIDE);

    // The slots from position `first` on, and those called ahead; behind the last position its slot again.
    void find(const int32_t* table, int64_t first, int64_t last) {
        const int64_t size = queries_.cache->block_size;
        int64_t block = first / size, within = first % size;  // a division for each slot would take as long as its products
        for (int64_t i = 0; i < PART_SLOTS + MOST_AHEAD; i++) {
            slots_[i] = queries_.cache->at<uint8_t>(table[block] * size + within);
            if (first + i < last && ++within == size) block++, within = 0;
        }
    }

    template <class Value> void look_at(int64_t count, float* part) {
        queries_.at->is_shared ? shared_.look<Value>(queries_, slots_, count, part) : own_.look<Value>(queries_, slots_, count, part);
    }

    Queries queries_;
    const uint8_t* slots_[PART_SLOTS + MOST_AHEAD];
    OwnLookup own_;
    SharedLookup shared_;
};

// Join the parts of one query: out [heads][value_dim].
class Join {
  public:
    void join(const float* parts, int64_t count, const Span& at, int32_t format, float* out) {
        const int64_t split = num_split(format, at.value_dim);
        weights_.resize((count + LANES - 1) / LANES * LANES), joined_.resize(at.value_dim);
        for (int h = 0; h < at.heads; h++, out += at.value_dim) {
            const float inverse = 1.0f / weigh(parts + h, count, at);
            const float* values = parts + 2 * at.heads + h * at.value_dim;
            for (int64_t d = 0; d < at.value_dim; d += LANES) {
                F32 total = {};
                for (int64_t p = 0; p < count; p++)
                    total += load_some(values + p * at.part_size() + d, at.value_dim - d) * weights_[p];
                store_some(joined_.data() + d, total * inverse, at.value_dim - d);
            }
            int64_t d = 0;
            for (; d < split; d += 2 * LANES)
                for (int lane = 0; lane < LANES; lane++) {
                    out[d + 2 * lane] = joined_[d + lane];
                    out[d + 2 * lane + 1] = joined_[d + LANES + lane];
                }
            std::copy(joined_.begin() + d, joined_.end(), out + d);
        }
    }

  private:
    // What each part of a head counts, and their sum. tops [parts], each before its sum.
    float weigh(const float* tops, int64_t count, const Span& at) {
        float top = -INFINITY, total = 0;
        for (int64_t p = 0; p < count; p++) top = std::max(top, tops[p * at.part_size()]);
        for (int64_t p = 0; p < count; p++) weights_[p] = tops[p * at.part_size()] - top;
        for (int64_t p = 0; p < count; p += LANES) store(&weights_[p], exp16(load<F32>(&weights_[p])));
        for (int64_t p = 0; p < count; p++) total += weights_[p] * tops[p * at.part_size() + at.heads];
        return total;
    }

    std::vector<float> weights_, joined_;
};

}  // namespace vl2
