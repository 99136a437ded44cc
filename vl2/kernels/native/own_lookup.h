// Heads that have keys and values of their own. Slots are met one after the other, and of each all keys, then all values:
// in the order of memory, which serves any other a fifth slower.
#pragma once

#include <cfloat>

#include "cache.h"

namespace vl2 {

class OwnLookup {
  public:
    static constexpr int AHEAD_SLOTS = 2;  // from the slot that is met to the one that is called

    template <class Value> void look(const Queries& queries, Slots slots, int64_t count, float* part) {
        queries_ = &queries;
        const Span& at = *queries.at;
        start();
        for (int64_t s = 0; s < count; s++) {
            multiply(reading<Value>(slots + s, at.key));
            weigh();
            add(reading<Value>(slots + s, at.value));
        }
        std::copy_n(tops_.data(), at.heads, part);
        std::copy_n(totals_.data(), at.heads, part + at.heads);
        std::memcpy(part + 2 * at.heads, values(), at.heads * at.value_dim * sizeof(float));
    }

  private:
    // Keys or values of a slot, and of the one that is called.
    template <class Value> struct Reading {
        const Value *from, *next;
        const uint16_t* scales;  // of INT8, from its first group

        VL2_INLINE void call(int64_t i) const { __builtin_prefetch(next + i); }
        void pass(int64_t dim, int64_t groups) { from += dim, next += dim, scales += groups; }
    };

    template <class Value> Reading<Value> reading(Slots slots, int64_t begin) const {
        const Cache& cache = *queries_->cache;
        const auto at = [&](int i) { return (const Value*)slots[i] + begin; };
        const uint16_t* scales = nullptr;
        if constexpr (sizeof(Value) == 1) scales = cache.scales((const int8_t*)slots[0]) + begin / cache.group;
        return {at(0), at(AHEAD_SLOTS), scales};
    }

    // Sums by head, up to a multiple of the lanes. They and the values lie as registers are stored fastest: `part` does not.
    void start() {
        const int64_t heads = queries_->at->heads, padded = (heads + LANES - 1) / LANES * LANES;
        products_.resize(padded), weights_.resize(padded), fades_.resize(padded);
        tops_.assign(padded, -FLT_MAX), totals_.assign(padded, 0.0f);  // a score of -infinity counts nothing
        values_.assign((heads * queries_->at->value_dim + LANES - 1) / LANES, F32{});
    }
    float* values() { return (float*)values_.data(); }
    int64_t num_groups(int64_t dim) const { return queries_->cache->format == INT8 ? dim / queries_->cache->group : 0; }

    template <class Value> VL2_INLINE void multiply(Reading<Value> keys) {
        const int64_t dim = queries_->at->key_dim, groups = num_groups(dim);
        for (int64_t h = 0; h < queries_->at->heads; h++, keys.pass(dim, groups)) products_[h] = product(keys, h);
    }

    // A head's query times its key, to be summed over the lanes.
    VL2_INLINE Folded product(const Reading<uint16_t>& key, int64_t h) const {
        const int64_t num_twins = queries_->at->key_dim / (2 * LANES);
        const Twin* twins = queries_->twins.data() + h * num_twins;
        TwinSum found;
        for (int64_t t = 0; t < num_twins; t++) {
            key.call(t * 2 * LANES);
            found.add(load<U32>(key.from + t * 2 * LANES), twins[t]);
        }
        return product_of_rest(key, h, num_twins * 2 * LANES, found.total());
    }
    VL2_INLINE Folded product(const Reading<float>& key, int64_t h) const { return product_of_rest(key, h, 0, Folded{}); }
    VL2_INLINE Folded product(const Reading<int8_t>& key, int64_t h) const {
        const int64_t dim = queries_->at->key_dim;
        const float* query = queries_->values + h * dim;
        Folded found = {};
        queries_->cache->by_group([&](auto parts) {
            for (int64_t g = 0, d = 0; d < dim; g++, d += parts() * LANES) {
                key.call(d);
                Folded group = {};
#pragma GCC unroll 4
                for (int p = 0; p < parts(); p++)
                    group = add_folded(group, load<F32>(query + d + p * LANES), read16(key.from + d + p * LANES));
                found += group * widen(key.scales[g]);
            }
        });
        return found;
    }

    template <class Value>
    VL2_INLINE Folded product_of_rest(const Reading<Value>& key, int64_t h, int64_t d, Folded found) const {
        for (const int64_t dim = queries_->at->key_dim; d < dim; d += LANES) {
            key.call(d);
            const F32 query = load_some(queries_->values + h * dim + d, dim - d);
            found = add_folded(found, query, read_some(key.from + d, dim - d));
        }
        return found;
    }

    // Turn products into weights e^(score - largest); what was added up before fades where a larger score is found.
    VL2_INLINE void weigh() {
        for (size_t h = 0; h < tops_.size(); h += LANES) {
            sums(&products_[h], &weights_[h]), sums(&products_[h + LANES / 2], &weights_[h + LANES / 2]);
            const F32 scores = load<F32>(&weights_[h]), before = load<F32>(&tops_[h]);
            const F32 top = select(scores > before, scores, before), fade = exp16(before - top), weight = exp16(scores - top);
            store(&tops_[h], top), store(&fades_[h], fade), store(&weights_[h], weight);
            store(&totals_[h], load<F32>(&totals_[h]) * fade + weight);
        }
    }

    template <class Value> VL2_INLINE void add(Reading<Value> reading) {
        const int64_t dim = queries_->at->value_dim, groups = num_groups(dim);
        float* out = values();
        for (int64_t h = 0; h < queries_->at->heads; h++, out += dim, reading.pass(dim, groups))
            add_value(reading, weights_[h], fades_[h], out);
    }

    // out = out * fade + value * weight
    VL2_INLINE void add_value(const Reading<uint16_t>& value, float weight, float fade, float* out) const {
        const int64_t dim = queries_->at->value_dim;
        int64_t d = 0;
        for (; d + 2 * LANES <= dim; d += 2 * LANES) {
            value.call(d);
            const U32 pairs = load<U32>(value.from + d);
            store(out + d, load<F32>(out + d) * fade + (F32)(pairs << 16) * weight);
            store(out + d + LANES, load<F32>(out + d + LANES) * fade + (F32)(pairs & 0xffff0000u) * weight);
        }
        add_rest(value, d, weight, fade, out);
    }
    VL2_INLINE void add_value(const Reading<float>& value, float weight, float fade, float* out) const {
        add_rest(value, 0, weight, fade, out);
    }
    VL2_INLINE void add_value(const Reading<int8_t>& value, float weight, float fade, float* out) const {
        const int64_t dim = queries_->at->value_dim;
        queries_->cache->by_group([&](auto parts) {
            for (int64_t g = 0, d = 0; d < dim; g++) {
                value.call(d);
                const float step = weight * widen(value.scales[g]);
#pragma GCC unroll 4
                for (int p = 0; p < parts(); p++, d += LANES)
                    store(out + d, load<F32>(out + d) * fade + read16(value.from + d) * step);
            }
        });
    }

    template <class Value>
    VL2_INLINE void add_rest(const Reading<Value>& value, int64_t d, float weight, float fade, float* out) const {
        for (const int64_t dim = queries_->at->value_dim; d < dim; d += LANES) {
            value.call(d);
            const int64_t left = dim - d;
            store_some(out + d, load_some(out + d, left) * fade + read_some(value.from + d, left) * weight, left);
        }
    }

    const Queries* queries_ = nullptr;
    std::vector<Folded> products_;
    std::vector<float> weights_, fades_, tops_, totals_;  // by head
    std::vector<F32> values_;                             // [heads][value_dim]
};

}  // namespace vl2
