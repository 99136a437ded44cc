// The one layout of weights and the products with it.
//
// A weight [rows, cols] is cut into tiles of 16 rows, and a tile is stored in the order in which it is read, as one
// stream. Activations come in blocks of a few rows, column by column, so that
// each weight that is loaded meets every row of a block. A product adds its columns in one order whatever the number of
// rows: a row's result never depends on its neighbours.
#pragma once

#include <algorithm>
#include <vector>

#include "amx.h"
#include "pool.h"
#include "simd.h"

namespace vl2 {

enum Format : int32_t { FLOAT32 = 0, BFLOAT16 = 1, INT8 = 2, INT4 = 3 };

// Mirrored by vl2/kernels/native/structs.py.
//   FLOAT32   [tiles][cols][16] float
//   BFLOAT16  [tiles][cols/2][16][2]
//   INT8      [tiles][cols/4][16][4] bytes, value + 128;    scales [tiles][cols/group][16] bfloat16
//   INT4      [tiles][cols/8][16][4] bytes, value + 8, the low nibble of byte i is column i, the high one i + 4
struct Weight {
    int32_t format, group;
    int32_t input_bits;  // INT: of the activations, 15 or 8
    int64_t rows, cols;  // cols as stored: a multiple of 32 of bfloat16, or of the group
    int64_t num_inputs;  // columns before they were filled up with zeros
    const uint8_t* data;
    const uint16_t* scales;
    const float* bias;  // [rows] or null
    int64_t stride, scale_stride;  // bytes from one expert to the next

    int64_t num_tiles() const { return (rows + LANES - 1) / LANES; }
    int64_t tile_bytes() const {
        return format == FLOAT32 ? cols * 64 : format == BFLOAT16 ? cols * 32 : format == INT8 ? cols * 16 : cols * 8;
    }
    const uint8_t* tile(int64_t expert, int64_t number) const { return data + expert * stride + number * tile_bytes(); }
    const uint16_t* tile_scales(int64_t expert, int64_t number) const {
        return scales + expert * scale_stride / 2 + number * (cols / group) * LANES;
    }
};

// Rows of a block: as many as the registers hold.
constexpr int FLOAT_ROWS = HAS_MANY_REGISTERS ? 12 : 6, INT_ROWS = HAS_MANY_REGISTERS ? 8 : 4;
// Tiles that a block meets at once: as many as the registers hold. Few rows wait for memory, which serves a Xeon fastest
// in one stream that is called ahead, and a Zen 3, measured without AVX-512, in four that it foresees itself.
constexpr int MOST_TILES = 4;
constexpr bool is_one_stream(int64_t rows) { return HAS_MANY_REGISTERS && rows <= 2; }
constexpr int tiles_at_once(int64_t rows) {
    if (HAS_MANY_REGISTERS) return is_one_stream(rows) ? 1 : 2;
    return rows == 1 ? 4 : rows == 2 ? 2 : 1;
}
constexpr int MOST_ROWS = TILE_BLOCK_ROWS;
// Rows of integers that the tile unit is not worth setting up for, measured on a Xeon.
inline int few_rows(int input_bits) { return input_bits > 8 ? 4 : 8; }

// Rows of activations as a weight's format reads them.
struct Packed {
    int32_t format = FLOAT32, group = 0, input_bits = 0;
    int64_t rows = 0, cols = 0;
    std::vector<float> floats;     // FLOAT32: [block][cols][rows of the block]; INT: scales [block][groups][rows]
    std::vector<Pair> pairs;       // BFLOAT16: [block][words][rows]
    // INT: [block][words][rows], four bytes each; split, 15 bits are 128 * high + low, or wide: even numbers high, odd
    // ones low
    std::vector<int32_t> high, low;
    std::vector<int32_t> offsets;  // INT: [block][groups][rows], what the sums are too large by: weights are not signed
    bool is_split = false;         // INT: there are low words
    bool is_tiled = false;         // words stand as the tile unit reads them: [block][words/16][rows][16]
    int block_rows = FLOAT_ROWS;

    int64_t num_blocks() const { return (rows + block_rows - 1) / block_rows; }
    // Blocks that stay in a core's own cache while weights pass by.
    int64_t blocks_near() const {
        constexpr int64_t NEAR_BYTES = 1 << 20;
        const int64_t bits = format == FLOAT32 ? 32 : format == BFLOAT16 ? 16 : is_split ? 16 : 8;
        return std::max(NEAR_BYTES * 8 / (block_rows * cols * bits), int64_t(1));
    }
    int rows_of(int64_t block) const {
        const int64_t left = rows - block * block_rows;
        return int(left < block_rows ? left : block_rows);
    }

    void shape(const Weight& weight, int64_t num_rows) {
        format = weight.format, group = weight.group, input_bits = weight.input_bits;
        is_split = input_bits > 8 || (HAS_WIDE_QUADS && format == INT8);
        rows = num_rows, cols = weight.cols;
        is_tiled = has_tile_unit() && (format == BFLOAT16 ? cols % (2 * UNIT_WORDS) == 0
                                                          : format >= INT8 && group % (4 * UNIT_WORDS) == 0 && rows > few_rows(input_bits));
        block_rows = is_tiled ? TILE_BLOCK_ROWS : format >= INT8 ? INT_ROWS : FLOAT_ROWS;
        if (format == FLOAT32) floats.resize(rows * cols);
        if (format == BFLOAT16) pairs.resize(rows * cols / 2);
        if (format >= INT8) {
            high.resize(rows * cols / 4), low.resize(is_split ? rows * cols / 4 : 0);
            floats.resize(rows * cols / group), offsets.resize(rows * cols / group);
        }
    }

    // Fill one block; row(i) is a pointer to `num_inputs` floats of row i.
    template <class Row> void fill(int64_t block, int64_t num_inputs, const Row& row) {
        const int step = block_rows, count = rows_of(block);
        for (int m = 0; m < count; m++) {
            const float* from = row(block * step + m);
            if (format == FLOAT32) {
                float* to = floats.data() + block * step * cols + m;
                for (int64_t k = 0; k < cols; k++) to[k * count] = k < num_inputs ? from[k] : 0.0f;
            } else if (format == BFLOAT16) {
                fill_pairs(pairs.data() + block * step * cols / 2, m, count, from, num_inputs);
            } else {
                fill_ints(block * step, m, count, from, num_inputs);
            }
        }
    }

  private:
    // Put some words of row m, all within sixteen, where its block has them.
    template <class Word> void place(Word* block, int64_t word, int m, int count, const Word* from, int num_words) const {
        if (is_tiled) {
            Word* to = block + (word / UNIT_WORDS * count + m) * UNIT_WORDS + word % UNIT_WORDS;
            return (void)std::memcpy(to, from, num_words * sizeof(Word));
        }
        for (int i = 0; i < num_words; i++) block[(word + i) * count + m] = from[i];
    }

    void fill_pairs(Pair* block, int m, int count, const float* from, int64_t num_inputs) {
        int64_t k = 0;
        for (; k + LANES <= num_inputs; k += LANES) {
            Pair found[LANES / 2];
            to_pairs(load<F32>(from + k), found);
            place(block, k / 2, m, count, found, LANES / 2);
        }
        for (; k < cols; k += LANES) {
            Pair found[LANES / 2];
            to_pairs(load_some(from + k, std::max(num_inputs - k, int64_t(0))), found);
            place(block, k / 2, m, count, found, int(std::min(cols - k, int64_t(LANES)) / 2));
        }
    }

    // Sixteen numbers of 15 bits as a product takes them.
    static void part(I32 whole, int32_t* uppers, int32_t* lowers) {
        if constexpr (HAS_WIDE_QUADS) {
            int32_t numbers[LANES];
            store(numbers, whole);
            for (int i = 0; i < LANES / 4; i++) {
                const int32_t* four = numbers + 4 * i;
                uppers[i] = (four[0] & 0xffff) | int32_t(uint32_t(four[2]) << 16);
                lowers[i] = (four[1] & 0xffff) | int32_t(uint32_t(four[3]) << 16);
            }
        } else {
            const I32 upper = (whole + 64) >> 7;
            store(uppers, to_bytes(upper));
            store(lowers, to_bytes(whole - upper * 128));
        }
    }

    // 15 bits a value, scaled by group, in two signed bytes: next to no error, and both bytes fit the integer product.
    // 8 bits in one byte take half the work, where a product of bytes is exact; elsewhere they are wide too.
    void fill_ints(int64_t first_row, int m, int count, const float* from, int64_t num_inputs) {
        const float limit = input_bits > 8 ? 127 * 128 : 127;
        const F32 magic = splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
        const int64_t groups = cols / group;
        const int parts = group / LANES;
        int32_t* highs = high.data() + first_row * cols / 4;
        int32_t* lows = is_split ? low.data() + first_row * cols / 4 : nullptr;
        for (int64_t g = 0; g < groups; g++) {
            F32 values[128 / LANES], most = {};
            for (int i = 0; i < parts; i++) {
                const int64_t at = g * group + i * LANES;
                values[i] = load_some(from + at, num_inputs - at);
                const F32 size = absolute(values[i]);
                most = select(size > most, size, most);
            }
            const float top = largest(most), inverse = top > 0 ? limit / top : 0;
            I32 total = {};
            for (int i = 0; i < parts; i++) {
                const I32 whole = to_int((values[i] * inverse + magic) - magic);
                total += whole;
                int32_t uppers[4], lowers[4];
                is_split ? part(whole, uppers, lowers) : store(uppers, to_bytes(whole));
                const int64_t word = (g * group + i * LANES) / 4;
                place(highs, word, m, count, uppers, LANES / 4);
                if (is_split) place(lows, word, m, count, lowers, LANES / 4);
            }
            int32_t all = 0;
            for (int lane = 0; lane < LANES; lane++) all += total[lane];
            floats[first_row * groups + g * count + m] = top / limit;
            offsets[first_row * groups + g * count + m] = all * (format == INT4 ? 8 : 128);
        }
    }
};

// Bytes of a weight that are called into a core's second cache ahead, and into its first where the tile unit reads: the
// processor itself looks no further than the end of a page. Measured on a Xeon and, without AVX-512, on a Zen 3.
constexpr int64_t AHEAD = HAS_MANY_REGISTERS ? 16384 : 2048, UNIT_AHEAD = 2048;
constexpr bool calls_ahead(int tiles) { return HAS_MANY_REGISTERS || tiles == 1; }

// What a thread reads in order, and where it goes on behind the end; null: nobody knows. What is called from beyond the
// end would be read for nothing.
struct Stretch {
    static constexpr int64_t LINE_BYTES = 64;
    const uint8_t* end = (const uint8_t*)UINTPTR_MAX;
    const uint8_t* next = nullptr;

    void call(const uint8_t* from) const {
        const uint8_t* at = from + AHEAD;
        __builtin_prefetch(at < end ? at : next != nullptr ? next + (at - end) : end - LINE_BYTES, 0, 2);
    }
};

template <int ROWS, int TILES> void dot_float32(const float* const* w, const float* a, int64_t cols, float* out) {
    F32 acc[TILES][ROWS] = {};
    for (int64_t k = 0; k < cols; k++) {
        for (int t = 0; t < TILES; t++) {
            const F32 column = load<F32>(w[t] + k * LANES);
            for (int m = 0; m < ROWS; m++) acc[t][m] = add_product(acc[t][m], column, splat(a[k * ROWS + m]));
        }
    }
    for (int t = 0; t < TILES; t++)
        for (int m = 0; m < ROWS; m++) store(out + (t * ROWS + m) * LANES, acc[t][m]);
}

template <int ROWS, int TILES>
void dot_bfloat16(const uint16_t* const* w, const Pair* a, int64_t cols, const Stretch& stretch, float* out) {
    F32 acc[TILES][ROWS] = {};
    for (int64_t k = 0; k < cols / 2; k++) {
        for (int t = 0; t < TILES; t++) {
            if constexpr (calls_ahead(TILES)) stretch.call((const uint8_t*)(w[t] + k * 2 * LANES));
            const U32 pair = load<U32>(w[t] + k * 2 * LANES);
            for (int m = 0; m < ROWS; m++) acc[t][m] = dot_pair(acc[t][m], pair, a[k * ROWS + m]);
        }
    }
    for (int t = 0; t < TILES; t++)
        for (int m = 0; m < ROWS; m++) store(out + (t * ROWS + m) * LANES, acc[t][m]);
}

// Activations of integers as a block has them, from its first row on.
struct Ints {
    const int32_t *high, *low, *offsets;
    const float* steps;
    int64_t cols;
    int group;
};

template <int ROWS, int TILES, bool FOUR_BITS, bool SPLIT>
void dot_int(const uint8_t* const* w, const uint16_t* const* scales, const Ints& x, const Stretch& stretch, float* out) {
    constexpr int QUADS = FOUR_BITS ? 2 : 1;  // of columns in one load
    constexpr bool IS_WIDE = SPLIT && HAS_WIDE_QUADS, HAS_BOTTOMS = SPLIT && !IS_WIDE;
    const int num_loads = x.group / 4 / QUADS;
    const int32_t *high = x.high, *low = x.low;
    F32 acc[TILES][ROWS] = {};
    int64_t at = 0;
    for (int64_t g = 0; g < x.cols / x.group; g++) {
        // even and odd loads apart where registers allow: one chain of sums would wait for itself
        I32 tops[TILES][2][ROWS] = {}, bottoms[TILES][2][ROWS] = {};
        for (int t = 0; t < TILES; t++)
            for (int m = 0; m < ROWS; m++) (HAS_BOTTOMS ? bottoms : tops)[t][0][m] -= x.offsets[g * ROWS + m];
        for (int i = 0; i < num_loads; i++, at += 4 * LANES, high += QUADS * ROWS, low += SPLIT ? QUADS * ROWS : 0) {
            for (int t = 0; t < TILES; t++) {
                if constexpr (calls_ahead(TILES)) stretch.call(w[t] + at);
                const I32 bytes = load<I32>(w[t] + at);
#pragma GCC unroll 2
                for (int q = 0; q < QUADS; q++) {
                    const I32 quad = !FOUR_BITS ? bytes : q == 0 ? low_nibbles(bytes) : high_nibbles(bytes);
                    const auto dot = FOUR_BITS ? dot_nibbles : dot_quad;
                    const int chain = !HAS_MANY_REGISTERS ? 0 : FOUR_BITS ? q : ROWS > 4 ? 0 : i & 1;
                    for (int m = 0; m < ROWS; m++) {
                        I32 &top = tops[t][chain][m], &bottom = bottoms[t][chain][m];
                        const int word = q * ROWS + m;
                        top = IS_WIDE ? dot_wide(top, quad, high[word], low[word]) : dot(top, quad, high[word]);
                        if constexpr (HAS_BOTTOMS) bottom = dot(bottom, quad, low[word]);
                    }
                }
            }
        }
        for (int t = 0; t < TILES; t++) {
            const F32 scale = widen16(scales[t] + g * LANES);
            for (int m = 0; m < ROWS; m++) {
                const auto both = [&](const I32(*chains)[ROWS]) {
                    return chains[0][m] + (FOUR_BITS ? chains[1][m] >> HIGH_SHIFT : chains[1][m]);
                };
                const I32 top = both(tops[t]), total = HAS_BOTTOMS ? (top << 7) + both(bottoms[t]) : top;
                acc[t][m] = add_product(acc[t][m], to_float(total), scale * x.steps[g * ROWS + m]);
            }
        }
    }
    for (int t = 0; t < TILES; t++)
        for (int m = 0; m < ROWS; m++) store(out + (t * ROWS + m) * LANES, acc[t][m]);
}

// One tile of each of TILES weights times one block: out [TILES][rows of the block][16].
struct Tile {
    const Weight* weight;
    int64_t expert, number;
};

// Call use(TOGETHER as a constant, the first tile) for as many tiles as that, or for one after the other.
template <int TOGETHER, class Use> void by_count(int num_tiles, const Use& use) {
    if (num_tiles == TOGETHER) return use(std::integral_constant<int, TOGETHER>(), 0);
    for (int t = 0; t < num_tiles; t++) use(std::integral_constant<int, 1>(), t);
}

template <int ROWS>
void dot_rows(const Tile* tiles, int num_tiles, const Packed& x, int64_t block, const Stretch& stretch, float* out) {
    constexpr int TOGETHER = tiles_at_once(ROWS), INTS_TOGETHER = HAS_MANY_REGISTERS ? 1 : TOGETHER;
    const int64_t first = block * x.block_rows, cols = x.cols;
    const uint8_t* data[MOST_TILES] = {};
    for (int t = 0; t < num_tiles; t++) data[t] = tiles[t].weight->tile(tiles[t].expert, tiles[t].number);
    const auto to = [&](int t) { return out + t * ROWS * LANES; };
    if (x.format == FLOAT32) {
        const float* a = x.floats.data() + first * cols;
        by_count<TOGETHER>(num_tiles, [&](auto count, int t) {
            dot_float32<ROWS, count()>((const float* const*)data + t, a, cols, to(t));
        });
    } else if (x.format == BFLOAT16) {
        const Pair* a = x.pairs.data() + first * cols / 2;
        by_count<TOGETHER>(num_tiles, [&](auto count, int t) {
            dot_bfloat16<ROWS, count()>((const uint16_t* const*)data + t, a, cols, stretch, to(t));
        });
    } else if constexpr (ROWS <= INT_ROWS) {
        const uint16_t* scales[MOST_TILES] = {};
        for (int t = 0; t < num_tiles; t++) scales[t] = tiles[t].weight->tile_scales(tiles[t].expert, tiles[t].number);
        const int64_t quads = first * cols / 4, groups = first * (cols / x.group);
        const Ints ints{x.high.data() + quads, x.low.data() + quads, x.offsets.data() + groups,
                        x.floats.data() + groups, cols, x.group};
        by_count<INTS_TOGETHER>(num_tiles, [&](auto count, int t) {
            const auto dot = x.format == INT4
                                 ? x.is_split ? dot_int<ROWS, count(), true, true> : dot_int<ROWS, count(), true, false>
                                 : x.is_split ? dot_int<ROWS, count(), false, true> : dot_int<ROWS, count(), false, false>;
            dot(data + t, scales + t, ints, stretch, to(t));
        });
    }
}

// The same on the tile unit. Weights are at hand behind the first block.
inline void dot_on_unit(const Tile* tiles, int num_tiles, const Packed& x, int64_t block, float* out) {
    const int64_t first = block * x.block_rows, ahead = block == 0 ? UNIT_AHEAD : 0;
    const int rows = x.rows_of(block);
    if (x.format == BFLOAT16) {
        const uint16_t* w[MOST_TILES] = {};
        for (int t = 0; t < num_tiles; t++) w[t] = (const uint16_t*)tiles[t].weight->tile(tiles[t].expert, tiles[t].number);
        return dot_tiles(w, num_tiles, x.pairs.data() + first * x.cols / 2, rows, x.cols, ahead, out);
    }
    const int64_t words = first * x.cols / 4, groups = first * (x.cols / x.group);
    const IntBlock ints{x.high.data() + words, x.low.data() + words, x.floats.data() + groups, x.offsets.data() + groups,
                        rows, x.group, x.cols};
    const auto dot = x.format == INT4 ? x.is_split ? dot_int_tiles<true, true> : dot_int_tiles<true, false>
                                      : x.is_split ? dot_int_tiles<false, true> : dot_int_tiles<false, false>;
    for (int t = 0; t < num_tiles; t++)
        dot(tiles[t].weight->tile(tiles[t].expert, tiles[t].number),
            tiles[t].weight->tile_scales(tiles[t].expert, tiles[t].number), ints, ahead, out + t * rows * LANES);
}

inline void dot(const Tile* tiles, int num_tiles, const Packed& x, int64_t block, float* out,
                const Stretch& stretch = {}) {
    if (x.is_tiled) return dot_on_unit(tiles, num_tiles, x, block, out);
    switch (x.rows_of(block)) {
        case 1: return dot_rows<1>(tiles, num_tiles, x, block, stretch, out);
        case 2: return dot_rows<2>(tiles, num_tiles, x, block, stretch, out);
        case 3: return dot_rows<3>(tiles, num_tiles, x, block, stretch, out);
        case 4: return dot_rows<4>(tiles, num_tiles, x, block, stretch, out);
        case 5: return dot_rows<5>(tiles, num_tiles, x, block, stretch, out);
        case 6: return dot_rows<6>(tiles, num_tiles, x, block, stretch, out);
        case 7: return dot_rows<7>(tiles, num_tiles, x, block, stretch, out);
        case 8: return dot_rows<8>(tiles, num_tiles, x, block, stretch, out);
        case 9: return dot_rows<9>(tiles, num_tiles, x, block, stretch, out);
        case 10: return dot_rows<10>(tiles, num_tiles, x, block, stretch, out);
        case 11: return dot_rows<11>(tiles, num_tiles, x, block, stretch, out);
        default: return dot_rows<12>(tiles, num_tiles, x, block, stretch, out);
    }
}

// Pack many rows, in parallel when it pays.
template <class Row> void pack(Packed& to, const Weight& weight, int64_t rows, const Row& row) {
    to.shape(weight, rows);
    parallel_for(to.num_blocks(), 4, [&](int64_t begin, int64_t end, int) {
        for (int64_t block = begin; block < end; block++) to.fill(block, weight.num_inputs, row);
    });
}

// The stretch of an expert's tiles up to `end`, where they are read as one stream.
inline Stretch stretch_of(const Packed& x, const Weight& weight, int64_t expert, int64_t end, const uint8_t* next) {
    return is_one_stream(x.rows) ? Stretch{weight.tile(expert, end), next} : Stretch{};
}

// Tiles that are read side by side: first, first + step, ..
struct Bundle {
    int64_t first, step;
    int count;

    int64_t operator[](int i) const { return first + i * step; }
};

// Call use(bundle) for bundles of up to `size` tiles that cover begin .. end - 1. Streams that the processor foresees are
// as long as can be, each from tile to tile; of those that are called ahead neighbours are read together.
template <class Use> void each_bundle(int64_t begin, int64_t end, int size, const Use& use) {
    if (!HAS_MANY_REGISTERS) {
        const int64_t step = (end - begin) / size;
        for (int64_t tile = begin; tile < begin + step; tile++) use(Bundle{tile, step, size});
        begin += step * size;
    }
    for (; begin < end; begin += size) use(Bundle{begin, 1, int(std::min(end - begin, int64_t(size)))});
}

// put(row, first output, 16 values): called once for each row and tile of weight * x, in any order.
template <class Put> void multiply(const Weight& weight, const Packed& x, const Put& put) {
    const int together = tiles_at_once(x.rows);
    const int64_t tiles = weight.num_tiles(), size = range_size(tiles, together);
    const int64_t stride = size * Pool::shared().num_threads();  // to where a thread probably goes on
    parallel_for(tiles, size, [&](int64_t begin, int64_t end, int) {
        float out[MOST_TILES * MOST_ROWS * LANES];
        const int64_t near = x.blocks_near(), next = begin + stride;
        const Stretch stretch = stretch_of(x, weight, 0, end, next < tiles ? weight.tile(0, next) : nullptr);
        for (int64_t first = 0; first < x.num_blocks(); first += near)
            each_bundle(begin, end, together, [&](const Bundle& bundle) {
                Tile some[MOST_TILES];
                for (int t = 0; t < bundle.count; t++) some[t] = {&weight, 0, bundle[t]};
                for (int64_t block = first; block < std::min(first + near, x.num_blocks()); block++) {
                    dot(some, bundle.count, x, block, out, stretch);
                    const int rows = x.rows_of(block);
                    for (int t = 0; t < bundle.count; t++)
                        for (int m = 0; m < rows; m++)
                            put(block * x.block_rows + m, bundle[t] * LANES, load<F32>(out + (t * rows + m) * LANES));
                }
            });
    });
}

}  // namespace vl2
