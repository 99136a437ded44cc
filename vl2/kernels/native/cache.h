// The cache of keys and values, and what one query asks of it.
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

    // Call use(parts of 16 codes in a group of INT8, as a constant).
    template <class Use> VL2_INLINE void by_group(const Use& use) const {
        if (group == 4 * LANES) return use(std::integral_constant<int, 4>());
        group == 2 * LANES ? use(std::integral_constant<int, 2>()) : use(std::integral_constant<int, 1>());
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

// Values of one head in a part stand as they were added up: of 32 bfloat16 values first the even ones, then the odd
// ones. What is left of a row, and the other formats, stand in their own order.
inline int64_t num_split(int32_t format, int64_t dim) { return format == BFLOAT16 ? dim / (2 * LANES) * (2 * LANES) : 0; }

// The queries of all heads [heads][key_dim], which carry the scale, and where they look.
struct Queries {
    const Cache* cache = nullptr;
    const Span* at = nullptr;
    const float* values = nullptr;
    std::vector<Twin> twins;  // by head, as they meet keys of bfloat16

    void set(const Cache& of, const Span& where, const float* from) {
        cache = &of, at = &where, values = from;
        twins.clear();
        for (int h = 0; of.format == BFLOAT16 && h < at->heads; h++)
            for (int64_t d = 0; d + 2 * LANES <= at->key_dim; d += 2 * LANES)
                twins.push_back(to_twin(values + h * at->key_dim + d));
    }
};

typedef const uint8_t* const* Slots;

}  // namespace vl2
