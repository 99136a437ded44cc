// Attention of one query straight over the cache, in parts of a fixed number of slots that threads share out. A slot
// holds what all heads keep of a token; a few slots are read side by side, and the sums of parts are joined in one order.
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

constexpr int64_t PART_SLOTS = 32, CHUNK_SLOTS = LANES;
inline int64_t num_parts(int64_t limit) { return (limit + PART_SLOTS - 1) / PART_SLOTS; }

// Values of one head in a part stand as they were added up: of 32 bfloat16 values first the even ones, then the odd
// ones. What is left of a row, and the other formats, stand in their own order.
inline int64_t num_split(int32_t format, int64_t dim) { return format == BFLOAT16 ? dim / (2 * LANES) * (2 * LANES) : 0; }

// What a thread needs to look at parts.
class Lookup {
  public:
    // Whom the parts that follow are for. queries [heads][key_dim] carry the scale.
    void ask(const Cache& cache, const Span& at, const float* queries) {
        cache_ = &cache, at_ = &at, queries_ = queries;
        if (cache.format == BFLOAT16) prepare();
    }

    // Look at the slots of part `number` below `limit`. A part is, by head, the largest score, the sum of
    // e^(score - largest), and the values summed with these weights.
    void look(const int32_t* table, int64_t limit, int64_t number, float* part) {
        const int64_t first = number * PART_SLOTS;
        find(table, first, limit - 1);
        const auto look = cache_->format == INT8       ? &Lookup::look_at<int8_t>
                          : cache_->format == BFLOAT16 ? &Lookup::look_at<uint16_t>
                                                       : &Lookup::look_at<float>;
        (this->*look)(std::min(limit - first, PART_SLOTS), part);
    }

  private:
    // Slots that are met side by side, each a stream of memory of its own that is called ahead for the next ones.
    static constexpr int SIDE = 4;

    typedef const uint8_t* const* Slots;

    // The slots from position `first` on; behind the last position its slot again.
    void find(const int32_t* table, int64_t first, int64_t last) {
        const int64_t size = cache_->block_size;
        int64_t block = first / size, within = first % size;  // a division for each slot would take as long as its products
        for (int64_t i = 0; i < PART_SLOTS + SIDE; i++) {
            slots_[i] = cache_->at<uint8_t>(table[block] * size + within);
            if (first + i < last && ++within == size) block++, within = 0;
        }
    }

    // COUNT slots and where a head's keys or values begin in them.
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

    template <class Value> void look_at(int64_t count, float* part) {
        const int64_t heads = at_->heads;
        float *tops = part, *totals = part + heads, *out = part + 2 * heads;
        std::fill(tops, tops + heads, -INFINITY);
        std::memset(totals, 0, heads * (at_->value_dim + 1) * sizeof(float));
        products_.resize(heads * CHUNK_SLOTS), weights_.resize(heads * CHUNK_SLOTS), fades_.resize(heads);
        for (int64_t s = 0; s < count; s += CHUNK_SLOTS) {
            const Slots slots = slots_ + s;
            each<SIDE>([&](int64_t i, int64_t h) {
                multiply(Few<Value, SIDE>{slots + i, at_->key + own(h, at_->key_dim)}, h, &products_[h * CHUNK_SLOTS + i]);
            });
            weigh(std::min(count - s, CHUNK_SLOTS), tops, totals);
            at_->is_shared ? add_all<Value, CHUNK_SLOTS>(slots, out) : add_all<Value, SIDE>(slots, out);
        }
    }

    // Where a head's own values begin.
    int64_t own(int64_t h, int64_t dim) const { return at_->is_shared ? 0 : h * dim; }

    template <class Value, int COUNT> void add_all(Slots slots, float* out) {
        each<COUNT>([&](int64_t i, int64_t h) {
            const Weights weights{&weights_[h * CHUNK_SLOTS + i], i == 0 ? fades_[h] : 1.0f};
            add(Few<Value, COUNT>{slots + i, at_->value + own(h, at_->value_dim)}, weights, out + h * at_->value_dim);
        });
    }

    // Call use(first slot, head) for COUNT slots after the other of a chunk: what heads have of their own in the order of
    // memory, and what they share head by head.
    template <int COUNT, class Use> void each(const Use& use) {
        if (at_->is_shared) {
            for (int64_t h = 0; h < at_->heads; h++)
                for (int64_t i = 0; i < CHUNK_SLOTS; i += COUNT) use(i, h);
        } else {
            for (int64_t i = 0; i < CHUNK_SLOTS; i += COUNT)
                for (int64_t h = 0; h < at_->heads; h++) use(i, h);
        }
    }

    // Queries as they meet keys of bfloat16.
    void prepare() {
        twins_.clear();
        for (int h = 0; h < at_->heads; h++)
            for (int64_t d = 0; d + 2 * LANES <= at_->key_dim; d += 2 * LANES)
                twins_.push_back(to_twin(queries_ + h * at_->key_dim + d));
    }

    // Products of a head's query with keys, to be summed over the lanes: to [SIDE].
    void multiply(const Few<uint16_t, SIDE>& keys, int64_t h, Folded* to) {
        const int64_t dim = at_->key_dim, num_twins = dim / (2 * LANES);
        TwinSum found[SIDE];
        for (int64_t t = 0; t < num_twins; t++) {
            keys.call(t * 2 * LANES);
            const Twin& query = twins_[h * num_twins + t];
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
        for (const int64_t dim = at_->key_dim; d < dim; d += LANES) {
            keys.call(d);
            const F32 query = load_some(queries_ + h * dim + d, dim - d);
            for (int i = 0; i < SIDE; i++) to[i] = add_folded(to[i], query, read_some(keys.at(i, d), dim - d));
        }
    }

    // Group by group: an entry's parts are whole groups.
    void multiply(const Few<int8_t, SIDE>& keys, int64_t h, Folded* to) {
        const int64_t dim = at_->key_dim, group = cache_->group;
        Folded found[SIDE] = {};
        for (int64_t g = 0; g < dim; g += group) {
            keys.call(g);
            Folded parts[SIDE] = {};
            for (int64_t d = g; d < g + group; d += LANES) {
                const F32 query = load<F32>(queries_ + h * dim + d);
                for (int i = 0; i < SIDE; i++) parts[i] = add_folded(parts[i], query, read16(keys.at(i, d)));
            }
            for (int i = 0; i < SIDE; i++) found[i] += parts[i] * scale(keys, i, g);
        }
        for (int i = 0; i < SIDE; i++) to[i] = found[i];
    }

    template <int COUNT> float scale(const Few<int8_t, COUNT>& codes, int i, int64_t d) const {
        return widen(cache_->scales((const int8_t*)codes.slots[i])[(codes.begin + d) / cache_->group]);
    }

    // Turn products into weights e^(score - largest); what was added up before fades where a larger score is found.
    void weigh(int64_t count, float* tops, float* totals) {
        const int64_t heads = at_->heads;
        for (size_t i = 0; i < products_.size(); i += 8) sums(&products_[i], &weights_[i]);
        for (int64_t h = 0; h < heads; h++) {
            float* weights = &weights_[h * CHUNK_SLOTS];
            std::fill(weights + count, weights + CHUNK_SLOTS, -INFINITY);
            const F32 scores = load<F32>(weights);
            const float top = std::max(tops[h], largest(scores));
            fades_[h] = tops[h] - top, tops[h] = top;
            store(weights, exp16(scores - top));
        }
        for (int64_t h = 0; h < heads; h += LANES)
            store_some(&fades_[h], exp16(load_some(&fades_[h], heads - h)), heads - h);
        for (int64_t h = 0; h < heads; h++)
            totals[h] = totals[h] * fades_[h] + sum(load<F32>(&weights_[h * CHUNK_SLOTS]));
    }

    static constexpr int PAIRS = HAS_MANY_REGISTERS ? 4 : 2;  // registers of bfloat16 of which values are summed so

    // out = out * before + the weighted values
    template <int COUNT> void add(const Few<uint16_t, COUNT>& values, const Weights& weights, float* out) {
        const int64_t dim = at_->value_dim;
        int64_t d = 0;
        for (; d + PAIRS * 2 * LANES <= dim; d += PAIRS * 2 * LANES) add_pairs<PAIRS>(values, d, weights, out + d);
        for (; d + 2 * LANES <= dim; d += 2 * LANES) add_pairs<1>(values, d, weights, out + d);
        add_rest(values, d, weights, out);
    }
    template <int COUNT> void add(const Few<float, COUNT>& values, const Weights& weights, float* out) {
        add_rest(values, 0, weights, out);
    }
    template <int COUNT> void add(const Few<int8_t, COUNT>& values, const Weights& weights, float* out) {
        const int group = cache_->group;
        const auto add_group = group == 64   ? &Lookup::add_codes<4, COUNT>
                               : group == 32 ? &Lookup::add_codes<2, COUNT>
                                             : &Lookup::add_codes<1, COUNT>;
        for (int64_t d = 0; d < at_->value_dim; d += group) (this->*add_group)(values, d, weights, out + d);
    }

    template <int PARTS, int COUNT>
    void add_pairs(const Few<uint16_t, COUNT>& values, int64_t first, const Weights& weights, float* out) {
        F32 even[PARTS], odd[PARTS];
        for (int p = 0; p < PARTS; p++) {
            values.call(first + 2 * p * LANES);
            even[p] = load<F32>(out + 2 * p * LANES) * weights.before;
            odd[p] = load<F32>(out + (2 * p + 1) * LANES) * weights.before;
        }
        for (int i = 0; i < COUNT; i++) {
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

    template <int PARTS, int COUNT>
    void add_codes(const Few<int8_t, COUNT>& values, int64_t first, const Weights& weights, float* out) {
        values.call(first);
        F32 total[PARTS];
        for (int p = 0; p < PARTS; p++) total[p] = load<F32>(out + p * LANES) * weights.before;
        for (int i = 0; i < COUNT; i++) {
            const float weight = weights.of[i] * scale(values, i, first);
            for (int p = 0; p < PARTS; p++) total[p] += read16(values.at(i, first + p * LANES)) * weight;
        }
        for (int p = 0; p < PARTS; p++) store(out + p * LANES, total[p]);
    }

    template <class Value, int COUNT>
    void add_rest(const Few<Value, COUNT>& values, int64_t d, const Weights& weights, float* out) {
        for (const int64_t dim = at_->value_dim; d < dim; d += LANES) {
            values.call(d);
            F32 total = load_some(out + d, dim - d) * weights.before;
            for (int i = 0; i < COUNT; i++) total += read_some(values.at(i, d), dim - d) * weights.of[i];
            store_some(out + d, total, dim - d);
        }
    }

    const Cache* cache_ = nullptr;
    const Span* at_ = nullptr;
    const float* queries_ = nullptr;
    const uint8_t* slots_[PART_SLOTS + SIDE];
    std::vector<Twin> twins_;
    std::vector<Folded> products_;  // [heads][CHUNK_SLOTS]
    std::vector<float> weights_, fades_;  // [heads][CHUNK_SLOTS], [heads]
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
