// Attention of many queries over keys and values that are laid out as tiles.
#pragma once

#include "tiles.h"

namespace vl2 {

// What makes weights of one query's scores: e^(score - largest) * inverse.
struct Softmax {
    float largest, inverse;
};

// Hide the scores behind the limit, up to `end`, whole lanes.
inline void hide(float* row, int64_t limit, int64_t end) {
    for (int64_t s = limit; s < end; s++) row[s] = -INFINITY;
}

// Turn scores into e^(score - largest), 0 behind the limit.
inline Softmax soften(float* row, int64_t limit, int64_t end) {
    hide(row, limit, end);
    F32 most = splat(-INFINITY), totals = {};
    for (int64_t s = 0; s < end; s += LANES) {
        const F32 score = load<F32>(row + s);
        most = select(score > most, score, most);
    }
    const float top = largest(most);
    for (int64_t s = 0; s < end; s += LANES) {
        const F32 weight = exp16(load<F32>(row + s) - top);
        store(row + s, weight);
        totals += weight;
    }
    return {top, 1.0f / sum(totals)};
}

// Keys and values of one head as weights: scores are keys * queries, and outputs are values * scores.
struct Head {
    std::vector<uint8_t> key_data, value_data;
    Weight keys{}, values{};
    Packed queries, scores;
    std::vector<float> weights;  // [rows of a block][slots]

    // key(s, d) and value(s, d) return floats.
    template <class Key, class Value>
    void fill(Format format, int64_t slots, int64_t key_dim, int64_t value_dim, const Key& key, const Value& value) {
        keys = shaped(format, slots, key_dim, key_data);
        values = shaped(format, value_dim, slots, value_data);
        for (int64_t s = 0; s < slots; s++) {
            for (int64_t d = 0; d < key_dim; d++) put(keys, key_data, s, d, key(s, d));
            for (int64_t d = 0; d < value_dim; d++) put(values, value_data, d, s, value(s, d));
        }
    }

    // Attend from `count` queries, each seeing its first limit(i) slots; query(i) is a pointer to key_dim floats
    // that carry the scale, out(i) one to value_dim floats.
    template <class Query, class Limit, class Out>
    void attend(int64_t count, const Query& query, const Limit& limit, const Out& out) {
        queries.shape(keys, count);
        for (int64_t block = 0; block < queries.num_blocks(); block++) {
            queries.fill(block, keys.num_inputs, query);
            attend_block(block, limit, out);
        }
    }

  private:
    // Columns filled up with zeros, so that all products go the same way whatever their number is.
    static int64_t whole(int32_t format, int64_t cols) {
        const int64_t step = format != BFLOAT16 ? 1 : has_tile_unit() ? 2 * UNIT_WORDS : 2;
        return (cols + step - 1) / step * step;
    }

    static Weight shaped(Format format, int64_t rows, int64_t cols, std::vector<uint8_t>& data) {
        Weight weight{};
        weight.format = format, weight.rows = rows, weight.num_inputs = cols;
        weight.cols = whole(format, cols);
        data.assign(weight.num_tiles() * weight.tile_bytes(), 0);
        weight.data = data.data();
        return weight;
    }

    static void put(const Weight& weight, std::vector<uint8_t>& data, int64_t row, int64_t col, float value) {
        uint8_t* tile = data.data() + row / LANES * weight.tile_bytes();
        const int64_t lane = row % LANES;
        if (weight.format == FLOAT32)
            ((float*)tile)[col * LANES + lane] = value;
        else
            ((uint16_t*)tile)[col / 2 * 2 * LANES + lane * 2 + col % 2] = narrow(value);
    }

    template <class Limit, class Out> void attend_block(int64_t block, const Limit& limit, const Out& out) {
        const int count = queries.rows_of(block), first = int(block) * queries.block_rows;
        int64_t most = 0;
        for (int m = 0; m < count; m++) most = limit(first + m) > most ? limit(first + m) : most;
        const int64_t tiles = (most + LANES - 1) / LANES;
        weights.resize(count * tiles * LANES);
        float found[MOST_ROWS * LANES];
        for (int64_t tile = 0; tile < tiles; tile++) {
            const Tile one{&keys, 0, tile};
            dot(&one, 1, queries, block, found);
            for (int m = 0; m < count; m++)
                store(weights.data() + (m * tiles + tile) * LANES, load<F32>(found + m * LANES));
        }
        float inverse[MOST_ROWS];
        for (int m = 0; m < count; m++)
            inverse[m] = soften(weights.data() + m * tiles * LANES, limit(first + m), tiles * LANES).inverse;
        // scores have only the columns that are seen: the later ones of the values' tiles are not read
        Weight seen = values;
        seen.cols = whole(values.format, most);
        scores.shape(seen, count);
        scores.fill(0, most, [&](int64_t m) { return weights.data() + m * tiles * LANES; });
        for (int64_t tile = 0; tile < values.num_tiles(); tile++) {
            Weight column = values;  // one tile, found by its own size
            column.data = values.tile(0, tile);
            const Tile one{&column, 0, 0};
            dot(&one, 1, scores, 0, found);
            for (int m = 0; m < count; m++)
                store_some(out(first + m) + tile * LANES, load<F32>(found + m * LANES) * inverse[m],
                           values.rows - tile * LANES);
        }
    }
};

}  // namespace vl2
