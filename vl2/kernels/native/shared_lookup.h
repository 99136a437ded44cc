// Heads that share what they look at: latents. Some slots are met side by side, head by head, while they are near.
#pragma once

#include "cache.h"

namespace vl2 {

class SharedLookup {
  public:
    // Slots that a head meets side by side, each a stream of memory of its own that is called ahead for the next ones.
    static constexpr int SIDE = 4;

    // Slots are read up to a multiple of CHUNK, and SIDE further.
    template <class Value> void look(const Queries& queries, Slots slots, int64_t count, float* part) {
        queries_ = &queries;
        const int64_t heads = queries.at->heads, value_dim = queries.at->value_dim;
        float *tops = part, *totals = part + heads, *out = part + 2 * heads;
        std::fill(tops, tops + heads, -INFINITY);
        std::memset(totals, 0, heads * (value_dim + 1) * sizeof(float));
        products_.resize(heads * CHUNK), weights_.resize(heads * CHUNK), fades_.resize(heads);
        for (int64_t s = 0; s < count; s += CHUNK) {
            for (int64_t h = 0; h < heads; h++)
                for (int64_t i = 0; i < CHUNK; i += SIDE)
                    multiply(Few<Value, SIDE>{slots + s + i, queries.at->key}, h, &products_[h * CHUNK + i]);
            weigh(std::min(count - s, CHUNK), tops, totals);
            for (int64_t h = 0; h < heads; h++)
                add(Few<Value, CHUNK>{slots + s, queries.at->value}, {&weights_[h * CHUNK], fades_[h]}, out + h * value_dim);
        }
    }

  private:
    static constexpr int64_t CHUNK = LANES;

    // COUNT slots and where keys or values begin in them.
    template <class Value, int COUNT> struct Few {
        Slots slots;
        int64_t begin;

        const Value* at(int i, int64_t d) const { return (const Value*)slots[i] + begin + d; }
        void call(int64_t d) const {
            for (int i = 0; i < COUNT; i++) __builtin_prefetch((const Value*)slots[SIDE + i] + begin + d);
        }
    };

    // What the values of some slots count, by slot, and what was added up before.
    struct Weights {
        const float* of;
        float before;
    };

    // Products of a head's query with keys, to be summed over the lanes: to [SIDE].
    void multiply(const Few<uint16_t, SIDE>& keys, int64_t h, Folded* to) {
        const int64_t dim = queries_->at->key_dim, num_twins = dim / (2 * LANES);
        TwinSum found[SIDE];
        for (int64_t t = 0; t < num_twins; t++) {
            keys.call(t * 2 * LANES);
            const Twin& query = queries_->twins[h * num_twins + t];
            for (int i = 0; i < SIDE; i++) found[i].add(load<U32>(keys.at(i, t * 2 * LANES)), query);
        }
        for (int i = 0; i < SIDE; i++) to[i] = found[i].total();
        multiply_rest(keys, h, num_twins * 2 * LANES, to);
    }
    void multiply(const Few<float, SIDE>& keys, int64_t h, Folded* to) {
        for (int i = 0; i < SIDE; i++) to[i] = Folded{};
        multiply_rest(keys, h, 0, to);
    }

    template <class Value> void multiply_rest(const Few<Value, SIDE>& keys, int64_t h, int64_t d, Folded* to) {
        for (const int64_t dim = queries_->at->key_dim; d < dim; d += LANES) {
            keys.call(d);
            const F32 query = load_some(queries_->values + h * dim + d, dim - d);
            for (int i = 0; i < SIDE; i++) to[i] = add_folded(to[i], query, read_some(keys.at(i, d), dim - d));
        }
    }

    // Group by group: an entry's parts are whole groups.
    void multiply(const Few<int8_t, SIDE>& keys, int64_t h, Folded* to) {
        const int64_t dim = queries_->at->key_dim, group = queries_->cache->group;
        Folded found[SIDE] = {};
        for (int64_t g = 0; g < dim; g += group) {
            keys.call(g);
            Folded parts[SIDE] = {};
            for (int64_t d = g; d < g + group; d += LANES) {
                const F32 query = load<F32>(queries_->values + h * dim + d);
                for (int i = 0; i < SIDE; i++) parts[i] = add_folded(parts[i], query, read16(keys.at(i, d)));
            }
            for (int i = 0; i < SIDE; i++) found[i] += parts[i] * scale(keys, i, g);
        }
        for (int i = 0; i < SIDE; i++) to[i] = found[i];
    }

    template <int COUNT> float scale(const Few<int8_t, COUNT>& codes, int i, int64_t d) const {
        return widen(queries_->cache->scales((const int8_t*)codes.slots[i])[(codes.begin + d) / queries_->cache->group]);
    }

    // Turn products into weights e^(score - largest); what was added up before fades where a larger score is found.
    void weigh(int64_t count, float* tops, float* totals) {
        const int64_t heads = queries_->at->heads;
        for (size_t i = 0; i < products_.size(); i += 8) sums(&products_[i], &weights_[i]);
        for (int64_t h = 0; h < heads; h++) {
            float* weights = &weights_[h * CHUNK];
            std::fill(weights + count, weights + CHUNK, -INFINITY);
            const F32 scores = load<F32>(weights);
            const float top = std::max(tops[h], largest(scores));
            fades_[h] = tops[h] - top, tops[h] = top;
            store(weights, exp16(scores - top));
        }
        for (int64_t h = 0; h < heads; h += LANES)
            store_some(&fades_[h], exp16(load_some(&fades_[h], heads - h)), heads - h);
        for (int64_t h = 0; h < heads; h++)
            totals[h] = totals[h] * fades_[h] + sum(load<F32>(&weights_[h * CHUNK]));
    }

    static constexpr int PAIRS = HAS_MANY_REGISTERS ? 4 : 2;  // registers of bfloat16 of which values are summed so

    // out = out * before + the weighted values
    void add(const Few<uint16_t, CHUNK>& values, const Weights& weights, float* out) {
        const int64_t dim = queries_->at->value_dim;
        int64_t d = 0;
        for (; d + PAIRS * 2 * LANES <= dim; d += PAIRS * 2 * LANES) add_pairs<PAIRS>(values, d, weights, out + d);
        for (; d + 2 * LANES <= dim; d += 2 * LANES) add_pairs<1>(values, d, weights, out + d);
        add_rest(values, d, weights, out);
    }
    void add(const Few<float, CHUNK>& values, const Weights& weights, float* out) {
        add_rest(values, 0, weights, out);
    }
    void add(const Few<int8_t, CHUNK>& values, const Weights& weights, float* out) {
        queries_->cache->by_group([&](auto parts) {
            for (int64_t d = 0; d < queries_->at->value_dim; d += parts() * LANES)
                add_codes<parts()>(values, d, weights, out + d);
        });
    }

    template <int PARTS>
    void add_pairs(const Few<uint16_t, CHUNK>& values, int64_t first, const Weights& weights, float* out) {
        F32 even[PARTS], odd[PARTS];
        for (int p = 0; p < PARTS; p++) {
            even[p] = load<F32>(out + 2 * p * LANES) * weights.before;
            odd[p] = load<F32>(out + (2 * p + 1) * LANES) * weights.before;
        }
        for (int i = 0; i < CHUNK; i++) {
            const float weight = weights.of[i];
            for (int p = 0; p < PARTS; p++) {
                const U32 pairs = load<U32>(values.at(i, first + 2 * p * LANES));
                even[p] += (F32)(pairs << 16) * weight;
                odd[p] += (F32)(pairs & 0xffff0000u) * weight;
            }
        }
        for (int p = 0; p < PARTS; p++) {
            store(out + 2 * p * LANES, even[p]);
            store(out + (2 * p + 1) * LANES, odd[p]);
        }
    }

    template <int PARTS>
    void add_codes(const Few<int8_t, CHUNK>& values, int64_t first, const Weights& weights, float* out) {
        F32 total[PARTS];
        for (int p = 0; p < PARTS; p++) total[p] = load<F32>(out + p * LANES) * weights.before;
        for (int i = 0; i < CHUNK; i++) {
            const float weight = weights.of[i] * scale(values, i, first);
            for (int p = 0; p < PARTS; p++) total[p] += read16(values.at(i, first + p * LANES)) * weight;
        }
        for (int p = 0; p < PARTS; p++) store(out + p * LANES, total[p]);
    }

    template <class Value>
    void add_rest(const Few<Value, CHUNK>& values, int64_t d, const Weights& weights, float* out) {
        for (const int64_t dim = queries_->at->value_dim; d < dim; d += LANES) {
            F32 total = load_some(out + d, dim - d) * weights.before;
            for (int i = 0; i < CHUNK; i++) total += read_some(values.at(i, d), dim - d) * weights.of[i];
            store_some(out + d, total, dim - d);
        }
    }

    const Queries* queries_ = nullptr;
    std::vector<Folded> products_;  // [heads][CHUNK]
    std::vector<float> weights_, fades_;  // [heads][CHUNK], [heads]
};

}  // namespace vl2
