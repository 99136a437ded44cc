// Attention of one query straight over the cache, in parts of a fixed number of slots that threads share out. A slot
// holds what all heads keep of a token, so a part is read as one stream, chunk by chunk, and its sums are joined in one
// order.
#pragma once

#include <algorithm>

#include "tiles.h"

namespace vl2 {

// The cache of one layer as a step sees it: rows of `width` values, found through the blocks of a sequence.
// FLOAT32, BFLOAT16, or INT8: codes, then a bfloat16 scale for each group of them (vl2/kernels/cache_entry.py).
struct Cache {
    uint8_t* slots;  // [slots][slot_bytes]
    int32_t format, group;
    int64_t width, slot_bytes, block_size;

    int64_t place(const int32_t* table, int64_t position) const {
        return table[position / block_size] * block_size + position % block_size;
    }
    template <class Value> Value* at(int64_t slot) const { return (Value*)(slots + slot * slot_bytes); }
    const uint16_t* scales(const int8_t* codes) const { return (const uint16_t*)(codes + width); }

    float value(int64_t slot, int64_t i) const {
        if (format == INT8) return at<int8_t>(slot)[i] * widen(scales(at<int8_t>(slot))[i / group]);
        return format == BFLOAT16 ? widen(at<uint16_t>(slot)[i]) : at<float>(slot)[i];
    }

    // Fill a slot from its start.
    void put(int64_t slot, const float* from) const {
        if (format == FLOAT32) return (void)std::memcpy(at<float>(slot), from, width * sizeof(float));
        if (format == INT8) return put_codes(at<int8_t>(slot), from);
        uint16_t* to = at<uint16_t>(slot);
        int64_t i = 0;
        for (; i + LANES <= width; i += LANES) store(to + i, narrow16(load<F32>(from + i)));
        for (; i < width; i++) to[i] = narrow(from[i]);
    }

  private:
    void put_codes(int8_t* to, const float* from) const {
        const F32 magic = splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
        for (int64_t first = 0; first < width; first += group) {
            F32 most = {};
            for (int64_t i = first; i < first + group; i += LANES) {
                const F32 size = absolute(load<F32>(from + i));
                most = select(size > most, size, most);
            }
            const uint16_t scale = narrow(largest(most) * (1.004f / 127));  // STEP of cache_entry.py
            ((uint16_t*)(to + width))[first / group] = scale;
            const float inverse = scale == 0 ? 0.0f : 1.0f / widen(scale);
            for (int64_t i = first; i < first + group; i += LANES) {
                const F32 whole = (load<F32>(from + i) * inverse + magic) - magic;
                store(to + i, to_bytes(to_int(whole)));
            }
        }
    }
};

// Where keys and values stand in a slot: those of all heads in a row, or one that all heads share (latents).
struct Span {
    int heads;
    int64_t key, key_dim, value, value_dim;
    bool is_shared;

    int64_t part_size() const { return heads * (value_dim + 2); }
};

inline F32 read_some(const float* from, int64_t left) { return load_some(from, left); }
inline F32 read_some(const uint16_t* from, int64_t left) {
    if (left >= LANES) return widen16(from);
    float found[LANES] = {};
    for (int64_t lane = 0; lane < left; lane++) found[lane] = widen(from[lane]);
    return load<F32>(found);
}

inline F32 read16(const int8_t* from) { return to_float(to_int(load<I8>(from))); }

constexpr int64_t PART_SLOTS = 64, CHUNK_SLOTS = LANES;
inline int64_t num_parts(int64_t limit) { return (limit + PART_SLOTS - 1) / PART_SLOTS; }

// Values of one head in a part stand as they were added up: of 32 bfloat16 values first the even ones, then the odd
// ones. What is left of a row, and the other formats, stand in their own order.
inline int64_t num_split(int32_t format, int64_t dim) { return format == BFLOAT16 ? dim / (2 * LANES) * (2 * LANES) : 0; }

// What a thread needs to look at a part.
class Lookup {
  public:
    // Look at the slots of part `number` below `limit`. queries [heads][key_dim] carry the scale; a part is, by head,
    // the largest score, the sum of e^(score - largest), and the values summed with these weights. Memory is called for
    // one chunk ahead; `stride` parts further is probably where this thread looks next.
    void look(const Cache& cache, const int32_t* table, int64_t limit, int64_t number, int64_t stride,
              const float* queries, const Span& at, float* part) {
        const auto look = cache.format == INT8       ? &Lookup::look_at<int8_t>
                          : cache.format == BFLOAT16 ? &Lookup::look_at<uint16_t>
                                                     : &Lookup::look_at<float>;
        (this->*look)(cache, table, limit, number, stride, queries, at, part);
    }

  private:
    template <class Value> struct Chunk {
        const Value* const* slots;
        int64_t count;
        const Cache& cache;
    };

    template <class Value>
    void look_at(const Cache& cache, const int32_t* table, int64_t limit, int64_t number, int64_t stride,
                 const float* queries, const Span& at, float* part) {
        const int64_t first = number * PART_SLOTS, end = std::min(first + PART_SLOTS, limit);
        float *tops = part, *totals = part + at.heads, *out = part + 2 * at.heads;
        std::fill(tops, tops + at.heads, -INFINITY);
        std::memset(totals, 0, at.heads * (at.value_dim + 1) * sizeof(float));
        if (sizeof(Value) == 2) prepare(queries, at);
        const int64_t key_words = at.key_dim / (2 * LANES), value_words = at.value_dim / (2 * LANES);
        const int64_t steps = key_words * CHUNK_SLOTS / TOGETHER + std::max(value_words / PAIRS, int64_t(1)) * CHUNK_SLOTS;
        ahead_.start(cache.slot_bytes, at.heads * steps);
        for (int64_t s = first; s < end; s++) ahead_.add(cache.at<Value>(cache.place(table, s)));
        const int64_t probable = first + stride * PART_SLOTS;
        for (int64_t s = probable; s < std::min(probable + Ahead::SLOTS, limit); s++)
            ahead_.add(cache.at<Value>(cache.place(table, s)));
        for (int64_t s = 0; s < end - first; s += CHUNK_SLOTS) {
            const Chunk<Value> chunk{(const Value* const*)ahead_.slots(s), std::min(end - first - s, CHUNK_SLOTS), cache};
            ahead_.move_to(s + chunk.count);
            for (int h = 0; h < at.heads; h++) {
                const int64_t head = at.is_shared ? 0 : h;
                const F32 scores = score(chunk, at.key + head * at.key_dim, queries, at.key_dim, h);
                const float top = std::max(tops[h], largest(scores)), fade = exp16(splat(tops[h] - top))[0];
                const F32 softened = exp16(scores - top);
                float weights[CHUNK_SLOTS];
                store(weights, softened);
                tops[h] = top, totals[h] = totals[h] * fade + sum(softened);
                add(chunk, at.value + head * at.value_dim, weights, fade, at.value_dim, out + h * at.value_dim);
            }
        }
        ahead_.leave(end - first);
    }

    // Calls memory for the slots that come next, little by little: a thousand calls at once would hold up the sums.
    class Ahead {
      public:
        static constexpr int64_t SLOTS = CHUNK_SLOTS;  // how far ahead

        // Slots of so many bytes; `times` calls are made while a chunk is looked at.
        void start(int64_t bytes, int64_t times) {
            bytes_ = bytes, lines_ = CHUNK_SLOTS * bytes / LINE_BYTES / times + 1, count_ = 0;
        }
        void add(const void* slot) {
            if (count_ == 0) slot_ = slot == foreseen_ ? reached_ : 0, offset_ = 0;
            slots_[count_++] = (const uint8_t*)slot;
        }
        const uint8_t* const* slots(int64_t first) const { return slots_ + first; }
        void move_to(int64_t slot) { end_ = std::min(slot + SLOTS, count_); }
        void call() {
            if (slot_ >= end_) return;
            const uint8_t* from = slots_[slot_] + offset_;
            for (int64_t line = 0; line < lines_; line++) __builtin_prefetch(from + line * LINE_BYTES, 0, 2);
            offset_ += lines_ * LINE_BYTES;
            if (offset_ >= bytes_) offset_ = 0, slot_++;
        }
        void leave(int64_t slot) {
            foreseen_ = slot < count_ ? slots_[slot] : nullptr;
            reached_ = std::max(slot_ - slot, int64_t(0));
        }

      private:
        static constexpr int64_t LINE_BYTES = 64;
        const uint8_t* slots_[PART_SLOTS + SLOTS];
        const void* foreseen_ = nullptr;
        int64_t bytes_ = 0, lines_ = 0, count_ = 0, end_ = 0, slot_ = 0, offset_ = 0, reached_ = 0;
    };

    static constexpr int TOGETHER = 8;  // slots of which the scores are summed side by side
    static constexpr int PAIRS = HAS_MANY_REGISTERS ? 4 : 2;  // registers of bfloat16 of which values are summed so

    // Queries as they meet keys of bfloat16.
    void prepare(const float* queries, const Span& at) {
        twins_.clear();
        for (int h = 0; h < at.heads; h++)
            for (int64_t d = 0; d + 2 * LANES <= at.key_dim; d += 2 * LANES)
                twins_.push_back(to_twin(queries + h * at.key_dim + d));
    }

    // The scores of one head at the slots of a chunk; -infinity where there is none.
    template <class Value>
    F32 score(const Chunk<Value>& chunk, int64_t key, const float* queries, int64_t dim, int head) {
        float scores[CHUNK_SLOTS];
        for (int64_t s = 0; s < chunk.count; s += TOGETHER) {
            const Value* keys[TOGETHER];
            for (int i = 0; i < TOGETHER; i++) keys[i] = chunk.slots[std::min(s + i, chunk.count - 1)] + key;
            Folded found[TOGETHER] = {};
            int64_t d = 0;
            if constexpr (sizeof(Value) == 2) {
                const Twin* query = twins_.data() + head * (dim / (2 * LANES));
                for (; d + 2 * LANES <= dim; d += 2 * LANES, query++) {
                    ahead_.call();
                    for (int i = 0; i < TOGETHER; i++) found[i] = add_twin(found[i], load<U32>(keys[i] + d), *query);
                }
            }
            if constexpr (sizeof(Value) == 1) {
                score_codes(chunk, s, keys, key, queries + head * dim, dim, found);
            } else {
                for (; d < dim; d += LANES) {
                    const F32 query = load_some(queries + head * dim + d, dim - d);
                    for (int i = 0; i < TOGETHER; i++)
                        found[i] = add_folded(found[i], query, read_some(keys[i] + d, dim - d));
                }
            }
            sums(found, scores + s);
        }
        for (int64_t s = chunk.count; s < CHUNK_SLOTS; s++) scores[s] = -INFINITY;
        return load<F32>(scores);
    }

    // The scores of TOGETHER slots, group by group: an entry's parts are whole groups.
    void score_codes(const Chunk<int8_t>& chunk, int64_t first, const int8_t* const* keys, int64_t key,
                     const float* query, int64_t dim, Folded* found) {
        const int group = chunk.cache.group;
        for (int64_t g = 0; g < dim; g += group) {
            ahead_.call();
            Folded parts[TOGETHER] = {};
            for (int64_t d = g; d < g + group; d += LANES) {
                const F32 part = load<F32>(query + d);
                for (int i = 0; i < TOGETHER; i++) parts[i] = add_folded(parts[i], part, read16(keys[i] + d));
            }
            for (int i = 0; i < TOGETHER; i++) {
                const int8_t* slot = chunk.slots[std::min(first + i, chunk.count - 1)];
                found[i] += parts[i] * widen(chunk.cache.scales(slot)[(key + g) / group]);
            }
        }
    }

    // out = out * fade + the weighted values of a chunk
    void add(const Chunk<uint16_t>& chunk, int64_t value, const float* weights, float fade, int64_t dim, float* out) {
        int64_t d = 0;
        for (; d + PAIRS * 2 * LANES <= dim; d += PAIRS * 2 * LANES) add_pairs<PAIRS>(chunk, value + d, weights, fade, out + d);
        for (; d + 2 * LANES <= dim; d += 2 * LANES) add_pairs<1>(chunk, value + d, weights, fade, out + d);
        add_rest(chunk, value, weights, fade, d, dim, out);
    }
    void add(const Chunk<float>& chunk, int64_t value, const float* weights, float fade, int64_t dim, float* out) {
        add_rest(chunk, value, weights, fade, 0, dim, out);
    }

    void add(const Chunk<int8_t>& chunk, int64_t value, const float* weights, float fade, int64_t dim, float* out) {
        const auto add_group = chunk.cache.group == 64   ? &Lookup::add_codes<4>
                               : chunk.cache.group == 32 ? &Lookup::add_codes<2>
                                                         : &Lookup::add_codes<1>;
        for (int64_t d = 0; d < dim; d += chunk.cache.group) (this->*add_group)(chunk, value + d, weights, fade, out + d);
    }

    template <int PARTS>
    void add_codes(const Chunk<int8_t>& chunk, int64_t value, const float* weights, float fade, float* out) {
        F32 total[PARTS];
        for (int p = 0; p < PARTS; p++) total[p] = load<F32>(out + p * LANES) * fade;
        for (int64_t s = 0; s < chunk.count; s++) {
            const int8_t* slot = chunk.slots[s];
            const float weight = weights[s] * widen(chunk.cache.scales(slot)[value / (PARTS * LANES)]);
            ahead_.call();
            for (int p = 0; p < PARTS; p++) total[p] += read16(slot + value + p * LANES) * weight;
        }
        for (int p = 0; p < PARTS; p++) store(out + p * LANES, total[p]);
    }

    template <int COUNT>
    void add_pairs(const Chunk<uint16_t>& chunk, int64_t value, const float* weights, float fade, float* out) {
        F32 even[COUNT], odd[COUNT];
        for (int p = 0; p < COUNT; p++) {
            even[p] = load<F32>(out + 2 * p * LANES) * fade;
            odd[p] = load<F32>(out + (2 * p + 1) * LANES) * fade;
        }
        for (int64_t s = 0; s < chunk.count; s++) {
            const float weight = weights[s];
            ahead_.call();
            for (int p = 0; p < COUNT; p++) {
                const U32 pairs = load<U32>(chunk.slots[s] + value + 2 * p * LANES);
                even[p] += (F32)(pairs << 16) * weight;
                odd[p] += (F32)(pairs & 0xffff0000u) * weight;
            }
        }
        for (int p = 0; p < COUNT; p++) {
            store(out + 2 * p * LANES, even[p]);
            store(out + (2 * p + 1) * LANES, odd[p]);
        }
    }

    template <class Value>
    void add_rest(const Chunk<Value>& chunk, int64_t value, const float* weights, float fade, int64_t d, int64_t dim,
                         float* out) {
        ahead_.call();
        for (; d < dim; d += LANES) {
            F32 total = load_some(out + d, dim - d) * fade;
            for (int64_t s = 0; s < chunk.count; s++) total += read_some(chunk.slots[s] + value + d, dim - d) * weights[s];
            store_some(out + d, total, dim - d);
        }
    }

    std::vector<Twin> twins_;
    Ahead ahead_;
};

// Join the parts of one query: out [heads][value_dim].
inline void join_parts(const float* parts, int64_t count, const Span& at, int32_t format, float* out) {
    const int64_t split = num_split(format, at.value_dim);
    std::vector<float> joined(at.value_dim);
    for (int h = 0; h < at.heads; h++, out += at.value_dim) {
        float top = -INFINITY, total = 0;
        for (int64_t p = 0; p < count; p++) top = std::max(top, parts[p * at.part_size() + h]);
        std::fill(joined.begin(), joined.end(), 0.0f);
        for (int64_t p = 0; p < count; p++) {
            const float* part = parts + p * at.part_size();
            const float weight = std::exp(part[h] - top);
            const float* values = part + 2 * at.heads + h * at.value_dim;
            total += weight * part[at.heads + h];
            for (int64_t d = 0; d < at.value_dim; d++) joined[d] += weight * values[d];
        }
        for (int64_t d = 0; d < at.value_dim; d++) {
            const int64_t block = d / (2 * LANES) * (2 * LANES), lane = d - block;
            out[d] = joined[d < split ? block + lane / 2 + lane % 2 * LANES : d] / total;
        }
    }
}

}  // namespace vl2
